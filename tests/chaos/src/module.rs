// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading the module.

use crate::sys::check;
use std::{ffi::CString, fs, io::Result, path::Path};

/// What `insmod` does, with the module as it was read: `init_module(2)`.
pub fn load(image: &[u8], parameters: &str) -> Result<()> {
    let parameters = CString::new(parameters)?;
    let (at, len, text) = (image.as_ptr(), image.len(), parameters.as_ptr());
    // SAFETY: The image is valid for the length, the text ends with 0; both are only read.
    check(unsafe { libc::syscall(libc::SYS_init_module, at, len, text) } as isize).map(drop)
}

/// What `rmmod` does.
pub fn unload(name: &str) -> Result<()> {
    let name = CString::new(name)?;
    let flags = libc::O_NONBLOCK;
    // SAFETY: The text ends with 0 and is only read.
    check(unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), flags) } as isize)
        .map(drop)
}

/// Whether it is there, half made or half gone included.
pub fn loaded(name: &str) -> bool {
    Path::new("/sys/module").join(name).exists()
}

/// How often it is in use.
pub fn users(name: &str) -> Result<String> {
    let text = fs::read_to_string(format!("/sys/module/{name}/refcnt"))?;
    Ok(text.trim().into())
}
