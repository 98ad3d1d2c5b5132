// SPDX-License-Identifier: GPL-2.0

//! What `chaos` and `failnth` share: namespaces, rtnetlink and the module, each by system calls of
//! the calling thread, without a process for each.

// What the other tests and the tool have is used as it is.
#[path = "../../sock/src/sys.rs"]
pub mod sys;
#[path = "../../../tools/src/wire.rs"]
pub mod wire;

pub mod ethtool;
pub mod module;
pub mod netns;
pub mod rtnl;
