//! The Hugging Face `tokenizers` crate behind the C functions of qk_tokenizer.h.

mod border;
mod engine;

use std::ffi::c_char;
use std::mem::size_of;
use std::sync::Once;

use border::{borrow, give, guard, take_back, Failure, QkText, Status};
use engine::{Engine, NamedToken};
use tokenizers::AddedToken;

const ABI: u32 = 1;

const LEFT_STRIP: u32 = 1;
const RIGHT_STRIP: u32 = 2;
const SINGLE_WORD: u32 = 4;
const NORMALIZED: u32 = 8;
const SPECIAL: u32 = 16;
const KEEP_EXISTING: u32 = 32;

/// Opaque to C.
pub struct QkTokenizer(Engine);

#[repr(C)]
pub struct QkEncoding {
    ids: *mut i32,
    count: u64,
    truncated: i32,
}

#[repr(C)]
pub struct QkAddedToken {
    content: *const c_char,
    size: u64,
    flags: u32,
}

#[repr(C)]
pub struct QkOptions {
    tokens: *const QkAddedToken,
    token_count: u64,
    split_special_tokens: i32,
}

#[repr(C)]
pub struct QkFacts {
    special_tokens_per_text: u64,
    vocabulary_size: u64,
}

const _: () = assert!(
    size_of::<QkText>() == 16
        && size_of::<QkEncoding>() == 24
        && size_of::<QkAddedToken>() == 24
        && size_of::<QkOptions>() == 24
        && size_of::<QkFacts>() == 16
);

const _: fn() = || {
    fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Engine>();
};

#[no_mangle]
pub extern "C" fn qk_tokenizer_abi() -> u32 {
    ABI
}

/// # Safety
/// All pointers are valid, as qk_tokenizer.h says.
#[no_mangle]
pub unsafe extern "C" fn qk_tokenizer_open(
    json: *const c_char,
    size: u64,
    options: *const QkOptions,
    tokenizer: *mut *mut QkTokenizer,
    error: *mut QkText,
) -> i32 {
    silence_panics();
    guard(error, || {
        let options = options.as_ref().ok_or("options is null")?;
        let mut named = Vec::new();
        for token in borrow(options.tokens, options.token_count)? {
            named.push(named_token(token)?);
        }
        let json = borrow(json.cast(), size)?;
        let engine = Engine::open(json, named, options.split_special_tokens != 0)?;
        tokenizer.write(Box::into_raw(Box::new(QkTokenizer(engine))));
        Ok(Status::Ok)
    })
}

/// # Safety
/// All pointers are valid, as qk_tokenizer.h says.
#[no_mangle]
pub unsafe extern "C" fn qk_tokenizer_facts(
    tokenizer: *const QkTokenizer,
    facts: *mut QkFacts,
    error: *mut QkText,
) -> i32 {
    guard(error, || {
        let engine = engine_of(tokenizer)?;
        facts.write(QkFacts {
            special_tokens_per_text: engine.special_tokens_per_text() as u64,
            vocabulary_size: engine.vocabulary_size() as u64,
        });
        Ok(Status::Ok)
    })
}

/// # Safety
/// All pointers are valid, as qk_tokenizer.h says.
#[no_mangle]
pub unsafe extern "C" fn qk_tokenizer_encode(
    tokenizer: *const QkTokenizer,
    text: *const c_char,
    size: u64,
    max_length: u64,
    encoding: *mut QkEncoding,
    error: *mut QkText,
) -> i32 {
    guard(error, || {
        let text = std::str::from_utf8(borrow(text.cast(), size)?)
            .map_err(|e| format!("the text is not UTF-8 at byte {}", e.valid_up_to()))?;
        let max_length = usize::try_from(max_length)?;
        let (tokens, truncated) = engine_of(tokenizer)?.encode(text, max_length)?;
        let ids: Result<Vec<i32>, _> = tokens
            .get_ids()
            .iter()
            .map(|&id| i32::try_from(id))
            .collect();
        let (ids, count) = give(ids.map_err(|_| "a token id is larger than 2147483647")?);
        encoding.write(QkEncoding {
            ids,
            count,
            truncated: truncated.into(),
        });
        Ok(Status::Ok)
    })
}

/// # Safety
/// All pointers are valid, as qk_tokenizer.h says.
#[no_mangle]
pub unsafe extern "C" fn qk_tokenizer_token(
    tokenizer: *const QkTokenizer,
    id: i32,
    token: *mut QkText,
    error: *mut QkText,
) -> i32 {
    guard(error, || {
        let engine = engine_of(tokenizer)?;
        let found = u32::try_from(id).ok().and_then(|id| engine.token(id));
        let Some(content) = found else {
            return Ok(Status::UnknownId);
        };
        token.write(QkText::new(content));
        Ok(Status::Ok)
    })
}

/// # Safety
/// `tokenizer` is null or comes from qk_tokenizer_open, and no call uses it any more.
#[no_mangle]
pub unsafe extern "C" fn qk_tokenizer_free(tokenizer: *mut QkTokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// # Safety
/// `encoding` is empty or comes from qk_tokenizer_encode, and is freed once.
#[no_mangle]
pub unsafe extern "C" fn qk_encoding_free(encoding: QkEncoding) {
    take_back(encoding.ids, encoding.count);
}

/// # Safety
/// `text` is empty or comes from one of the calls above, and is freed once.
#[no_mangle]
pub unsafe extern "C" fn qk_text_free(text: QkText) {
    take_back(text.data, text.size);
}

unsafe fn engine_of<'a>(tokenizer: *const QkTokenizer) -> Result<&'a Engine, Failure> {
    let tokenizer = tokenizer.as_ref().ok_or("the tokenizer is null")?;
    Ok(&tokenizer.0)
}

unsafe fn named_token(token: &QkAddedToken) -> Result<NamedToken, Failure> {
    let content = std::str::from_utf8(borrow(token.content.cast(), token.size)?)?;
    let has = |flag| token.flags & flag != 0;
    Ok(NamedToken {
        token: AddedToken::from(content, has(SPECIAL))
            .lstrip(has(LEFT_STRIP))
            .rstrip(has(RIGHT_STRIP))
            .single_word(has(SINGLE_WORD))
            .normalized(has(NORMALIZED)),
        keep_existing: has(KEEP_EXISTING),
    })
}

/// Panics are reported through the status; the default hook would also print them.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
