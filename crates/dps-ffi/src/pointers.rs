//! Every look behind a pointer that came from C, and every number in the guise of one.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_void};
use core::ptr;

/// A copy of the bytes of a C string, without its end mark. `None` for NULL.
///
/// # Safety
///
/// `text` is NULL or points to a string with an end mark, which nobody changes during the call.
pub(crate) unsafe fn bytes(text: *const c_char) -> Option<Vec<u8>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and by this function's contract a string.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
}

/// A copy of a C string. What is not UTF-8 in it becomes U+FFFD, which no identifier, host name
/// or key may contain, so that it is refused where the value is used. `None` for NULL.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the same contract.
    let bytes = unsafe { bytes(text) }?;
    Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// A copy of the plain value that `value` points to. `None` for NULL.
///
/// # Safety
///
/// `value` is NULL or points to a readable `T`, aligned or not, of which every bit pattern is
/// valid.
pub(crate) unsafe fn value<T: Copy>(value: *const c_void) -> Option<T> {
    if value.is_null() {
        return None;
    }
    // SAFETY: not NULL, and by this function's contract readable.
    Some(unsafe { value.cast::<T>().read_unaligned() })
}

/// Writes `value`, whose first member is its size, unless `target` is NULL or the size that the
/// caller has put there is less than that of `T`. Tells whether it was written. The caller's size
/// stays.
///
/// # Safety
///
/// `target` is NULL or points to a `usize` that tells how many bytes from there on may be
/// written.
pub(crate) unsafe fn write_sized<T: Copy>(target: *mut T, value: &T) -> bool {
    // SAFETY: NULL is answered; else the first member is readable by this function's contract.
    let Some(size) = (unsafe { self::value::<usize>(target.cast_const().cast()) }) else {
        return false;
    };
    if size < size_of::<T>() {
        return false;
    }
    let head = size_of::<usize>();
    // SAFETY: both ranges are within `size_of::<T>()` bytes, which are readable in `value` and
    // writable in `target`, as its size says; they do not overlap.
    unsafe {
        ptr::copy_nonoverlapping(
            ptr::from_ref(value).cast::<u8>().add(head),
            target.cast::<u8>().add(head),
            size_of::<T>() - head,
        );
    }
    true
}

/// A copy of the `T` at `source`, whose first member is its size. `None` for NULL, and when the
/// size is less than that of `T`.
///
/// # Safety
///
/// `source` is NULL or points to a `usize` that tells how many bytes from there on may be read,
/// and every bit pattern is a valid `T`.
pub(crate) unsafe fn read_sized<T: Copy>(source: *const T) -> Option<T> {
    // SAFETY: NULL is answered; else the first member is readable by this function's contract.
    let size = unsafe { value::<usize>(source.cast()) }?;
    if size < size_of::<T>() {
        return None;
    }
    // SAFETY: as many bytes are readable.
    unsafe { value::<T>(source.cast()) }
}

/// The number that a handle is. No memory is touched.
pub(crate) fn handle_number<T>(handle: *mut T) -> usize {
    handle.addr()
}

/// A number in the guise of a pointer; 0 gives NULL. Nobody may look behind it.
pub(crate) fn handle<T>(number: usize) -> *mut T {
    ptr::without_provenance_mut(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_nothing() {
        // SAFETY: NULL is allowed everywhere.
        unsafe {
            assert_eq!(bytes(ptr::null()), None);
            assert_eq!(text(ptr::null()), None);
            assert_eq!(value::<u8>(ptr::null()), None);
            assert!(!write_sized(ptr::null_mut(), &[1usize, 2]));
            assert_eq!(read_sized::<[usize; 2]>(ptr::null()), None);
        }
    }

    #[test]
    fn text_that_is_not_utf8_cannot_be_mistaken_for_an_identifier() {
        // SAFETY: a string with an end mark.
        assert_eq!(unsafe { text(c"a\xffb".as_ptr()) }.as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn sized_values_keep_to_the_size_the_caller_gave() {
        let mut small = [size_of::<usize>(), 0];
        let mut whole = [size_of::<[usize; 2]>(), 0];
        let mut large = [size_of::<[usize; 4]>(), 0, 7, 7];
        // SAFETY: all are as large as they say.
        unsafe {
            assert!(!write_sized(ptr::from_mut(&mut small), &[9, 5]));
            assert!(write_sized(ptr::from_mut(&mut whole), &[9, 5]));
            assert!(write_sized(large.as_mut_ptr().cast::<[usize; 2]>(), &[9, 5]));
            assert_eq!(read_sized(ptr::from_ref(&small)), None);
            assert_eq!(read_sized(ptr::from_ref(&whole)), Some(whole));
        }
        assert_eq!(small, [size_of::<usize>(), 0]);
        assert_eq!(whole, [size_of::<[usize; 2]>(), 5]);
        assert_eq!(large, [size_of::<[usize; 4]>(), 5, 7, 7]);
    }
}
