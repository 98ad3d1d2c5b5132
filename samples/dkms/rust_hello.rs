// SPDX-License-Identifier: GPL-2.0

//! A module in Rust that says hello.

use kernel::prelude::*;

module! {
    type: Hello,
    name: "rust_hello",
    authors: ["The rust_lo developers"],
    description: "A module in Rust that DKMS builds",
    license: "GPL",
}

struct Hello;

impl kernel::Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("hello\n");
        Ok(Self)
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        pr_info!("goodbye\n");
    }
}
