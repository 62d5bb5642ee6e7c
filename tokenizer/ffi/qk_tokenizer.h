#pragma once
/// The C border between C++ and the Rust crate `qk_tokenizer`. Only tokenizer/ includes this file.
///
/// Every call that can fail returns a QkStatus and, unless it is QkStatusOk or QkStatusUnknownId,
/// fills `error` with a message that the caller frees. No panic crosses the border. Texts are
/// UTF-8, sized, and not NUL-terminated. A handle never changes after qk_tokenizer_open: all calls
/// that take a const handle may run in parallel.
///
/// Change a type or a signature here and in src/lib.rs together, and raise QK_TOKENIZER_ABI in
/// both.
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QK_TOKENIZER_ABI 1

typedef enum QkStatus {
  QkStatusOk = 0,
  QkStatusRejected = 1,  // the input is at fault: damaged file, invalid UTF-8, max_length too small
  QkStatusPanicked = 2,  // the crate broke one of its own assumptions
  QkStatusUnknownId = 3,  // qk_tokenizer_token only: no token has this id
} QkStatus;

typedef enum QkTokenFlag {
  QkTokenLeftStrip = 1,
  QkTokenRightStrip = 2,
  QkTokenSingleWord = 4,
  QkTokenNormalized = 8,
  QkTokenSpecial = 16,
  QkTokenKeepExisting = 32,  // an added token of the same content stays as tokenizer.json has it
} QkTokenFlag;

typedef struct QkTokenizer QkTokenizer;

/// Owned by the receiver: qk_text_free. data is null when size is 0.
typedef struct QkText {
  char* data;
  uint64_t size;
} QkText;

/// Owned by the receiver: qk_encoding_free. ids is null when count is 0. truncated is 0 or 1.
typedef struct QkEncoding {
  int32_t* ids;
  uint64_t count;
  int32_t truncated;
} QkEncoding;

/// Borrowed. flags: QkTokenFlag, or-ed.
typedef struct QkAddedToken {
  const char* content;
  uint64_t size;
  uint32_t flags;
} QkAddedToken;

/// Borrowed. Tokens get their ids in this order. split_special_tokens: 0 or 1.
typedef struct QkOptions {
  const QkAddedToken* tokens;
  uint64_t token_count;
  int32_t split_special_tokens;
} QkOptions;

typedef struct QkFacts {
  uint64_t special_tokens_per_text;
  uint64_t vocabulary_size;
} QkFacts;

/// The QK_TOKENIZER_ABI that the library was built with.
uint32_t qk_tokenizer_abi(void);

/// json: the content of tokenizer.json. On QkStatusOk *tokenizer is owned by the caller:
/// qk_tokenizer_free.
int32_t qk_tokenizer_open(const char* json, uint64_t size, const QkOptions* options,
                          QkTokenizer** tokenizer, QkText* error);

int32_t qk_tokenizer_facts(const QkTokenizer* tokenizer, QkFacts* facts, QkText* error);

/// max_length counts the tokens that the post-processor adds.
int32_t qk_tokenizer_encode(const QkTokenizer* tokenizer, const char* text, uint64_t size,
                            uint64_t max_length, QkEncoding* encoding, QkText* error);

int32_t qk_tokenizer_token(const QkTokenizer* tokenizer, int32_t id, QkText* token, QkText* error);

/// They take what the calls above gave, once, and also accept null or an empty struct.
void qk_tokenizer_free(QkTokenizer* tokenizer);
void qk_encoding_free(QkEncoding encoding);
void qk_text_free(QkText text);

#ifdef __cplusplus
}

static_assert(sizeof(QkText) == 16 && sizeof(QkEncoding) == 24 && sizeof(QkAddedToken) == 24 &&
                  sizeof(QkOptions) == 24 && sizeof(QkFacts) == 16,
              "src/lib.rs asserts the same sizes");
#endif
