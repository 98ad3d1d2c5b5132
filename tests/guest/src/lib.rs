// SPDX-License-Identifier: GPL-2.0

//! What the test programs share, each by system calls of the calling thread, without a process for
//! each. Messages of netlink are those of the tool, `rust-lo`.

pub use rust_lo::{netlink, uapi, wire};

pub mod ethtool;
pub mod module;
pub mod msg;
pub mod netns;
pub mod random;
pub mod rtnl;
pub mod sys;
