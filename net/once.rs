// SPDX-License-Identifier: GPL-2.0

//! Memory of C's that others read and write meanwhile.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)
//!
//! This does what `atomic_load()` and `atomic_store()` of [`kernel::sync::atomic`] do if the order
//! is [`Relaxed`](kernel::sync::atomic::Relaxed). Those are calls of C functions unless the kernel
//! was built with `CONFIG_RUST_INLINE_HELPERS`, which is too dear where each packet comes by.

use kernel::sync::atomic::AtomicType;

/// Reads a word.
///
/// C counterpart: `READ_ONCE()`.
///
/// # Safety
///
/// `ptr` must be valid and aligned. Who writes to it meanwhile must do it at once, as
/// `WRITE_ONCE()` does.
#[inline(always)]
pub(super) unsafe fn read_once<T: AtomicType>(ptr: *const T) -> T {
    const { assert!(size_of::<T>() <= size_of::<usize>()) };
    // SAFETY: By the function's safety requirement; a volatile access is an atomic one to the
    // kernel's memory model if it is of no more than a machine word, which was just asserted.
    unsafe { ptr.read_volatile() }
}

/// Writes a word.
///
/// C counterpart: `WRITE_ONCE()`.
///
/// # Safety
///
/// `ptr` must be valid and aligned. Who reads or writes it meanwhile must do it at once, as
/// `READ_ONCE()` and `WRITE_ONCE()` do.
#[inline(always)]
pub(super) unsafe fn write_once<T: AtomicType>(ptr: *mut T, value: T) {
    const { assert!(size_of::<T>() <= size_of::<usize>()) };
    // SAFETY: As in `read_once`.
    unsafe { ptr.write_volatile(value) };
}
