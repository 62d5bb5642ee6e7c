//! What the product asks of a tokenizer, in terms of the `tokenizers` crate. No pointers here.

use tokenizers::{
    AddedToken, Encoding, Model, OffsetType, PostProcessor, PreTokenizer, Result, Tokenizer,
    TruncationDirection,
};

/// A token named by tokenizer_config.json.
pub struct NamedToken {
    pub token: AddedToken,
    /// Leave an added token of the same content as tokenizer.json has it.
    pub keep_existing: bool,
}

pub struct Engine {
    tokenizer: Tokenizer,
    special_tokens: usize,
}

impl Engine {
    pub fn open(json: &[u8], named: Vec<NamedToken>, split_special_tokens: bool) -> Result<Self> {
        let mut tokenizer = Tokenizer::from_bytes(json)?;
        // Truncation and padding are the caller's business, whatever the file was saved with.
        tokenizer.with_truncation(None)?.with_padding(None);
        tokenizer.set_encode_special_tokens(split_special_tokens);

        let existing = tokenizer.get_added_vocabulary().get_vocab();
        let added: Vec<AddedToken> = named
            .into_iter()
            .filter(|n| !(n.keep_existing && existing.contains_key(&n.token.content)))
            .map(|n| n.token)
            .collect();
        if !added.is_empty() {
            tokenizer.add_tokens(added)?;
        }

        let mut special_tokens = 0;
        if let Some(processor) = tokenizer.get_post_processor() {
            special_tokens = processor.added_tokens(false);
            // A template of undefined tokens is to fail here, not at the first text.
            processor.process(Encoding::default(), None, true)?;
        }
        Ok(Self {
            tokenizer,
            special_tokens,
        })
    }

    /// The crate's own steps of `Tokenizer::encode_fast`, one by one: there the length limit is a field of the
    /// tokenizer, here it belongs to the call, so that threads can share the tokenizer.
    pub fn encode(&self, text: &str, max_length: usize) -> Result<(Encoding, bool)> {
        let room = max_length.checked_sub(self.special_tokens).ok_or_else(|| {
            format!(
                "max_length is {max_length}, but the post-processor alone adds {} tokens",
                self.special_tokens
            )
        })?;

        let tokenizer = &self.tokenizer;
        let mut pieces = tokenizer
            .get_added_vocabulary()
            .extract_and_normalize(tokenizer.get_normalizer(), text);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        // Pieces are independent of each other: those past one token too many are not worth a merge.
        let limit = Some((room.saturating_add(1), TruncationDirection::Right));
        tokenizer
            .get_model()
            .tokenize_in_pretokenized(&mut pieces, limit)?;
        let mut content = pieces.into_encoding(None, 0, OffsetType::None)?;

        let truncated = content.len() > room;
        content.truncate(room, 0, TruncationDirection::Right);
        content.take_overflowing();
        let encoding = match tokenizer.get_post_processor() {
            Some(processor) => processor.process(content, None, true)?,
            None => content,
        };
        Ok((encoding, truncated))
    }

    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    pub fn special_tokens_per_text(&self) -> usize {
        self.special_tokens
    }

    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }
}
