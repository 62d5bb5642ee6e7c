//! What both sides of the C border agree on: owned buffers, borrowed slices, errors, and no panic beyond this point.

use std::any::Any;
use std::ffi::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{ptr, slice};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    Rejected = 1,
    Panicked = 2,
    UnknownId = 3,
}

#[repr(C)]
pub struct QkText {
    pub data: *mut c_char,
    pub size: u64,
}

impl QkText {
    pub fn new(text: String) -> Self {
        let (data, size) = give(text.into_bytes());
        Self {
            data: data.cast(),
            size,
        }
    }
}

/// Runs `body`; writes its failure or panic to `error` (which may be null).
///
/// # Safety
/// `error` is null or valid for writing.
pub unsafe fn guard(error: *mut QkText, body: impl FnOnce() -> Result<Status, Failure>) -> i32 {
    let (status, message) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => return status as i32,
        Ok(Err(failure)) => (Status::Rejected, failure.to_string()),
        Err(payload) => (Status::Panicked, panic_message(payload.as_ref())),
    };
    if !error.is_null() {
        error.write(QkText::new(message));
    }
    status as i32
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_string())
}

/// # Safety
/// `data` is null or valid for reading `count` elements for as long as the slice is used.
pub unsafe fn borrow<'a, T>(data: *const T, count: u64) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    let count = usize::try_from(count)?;
    if data.is_null() || count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err("a pointer is null or its size is impossible".into());
    }
    Ok(slice::from_raw_parts(data, count))
}

/// Hands a buffer over the border; `take_back` frees it.
pub fn give<T>(values: Vec<T>) -> (*mut T, u64) {
    if values.is_empty() {
        return (ptr::null_mut(), 0);
    }
    let count = values.len() as u64;
    (Box::into_raw(values.into_boxed_slice()).cast(), count)
}

/// # Safety
/// `data` and `count` come from one call of `give::<T>` and are taken back once.
pub unsafe fn take_back<T>(data: *mut T, count: u64) {
    if !data.is_null() {
        let values = ptr::slice_from_raw_parts_mut(data, count as usize);
        drop(Box::from_raw(values));
    }
}
