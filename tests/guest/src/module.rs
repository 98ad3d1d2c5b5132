// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading the module.

use nix::kmod::{delete_module, init_module, DeleteModuleFlags};
use std::{ffi::CString, fs, io::Result, path::Path};

/// What `insmod` does, with the module as it was read.
pub fn load(image: &[u8], parameters: &str) -> Result<()> {
    Ok(init_module(image, &CString::new(parameters)?)?)
}

/// What `rmmod` does.
pub fn unload(name: &str) -> Result<()> {
    let name = CString::new(name)?;
    Ok(delete_module(&name, DeleteModuleFlags::O_NONBLOCK)?)
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
