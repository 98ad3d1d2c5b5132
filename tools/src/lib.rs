// SPDX-License-Identifier: GPL-2.0

//! How `rust-lo` speaks with the kernel by netlink. The test programs have it by way of the crate `guest`, which is not
//! in the source package of the tool.

pub mod error;
pub mod netlink;
pub mod uapi;
pub mod wire;
