// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the abstractions, in a kernel that has KUnit built in.
//!
//! They run when the module is loaded. A failed assertion of KUnit ends its thread without running
//! destructors, which would leave devices and notifiers behind whose code goes with the module. So
//! the tests are functions that return an error, and [`check`] says what was wrong.

mod device;
mod driver;
mod flags;
mod link;
mod loopback;
mod netfilter;
mod pair;
mod param;
mod probe;
mod rtnetlink;
mod skbuff;
mod stats;
mod xdp;

/// Ends the test with an error unless the value is the expected one, or the condition true.
macro_rules! check {
    ($left:expr, $right:expr) => {
        let (left, right) = (&$left, &$right);
        if left != right {
            ::kernel::kunit::err(::kernel::prelude::fmt!(
                "    # {}:{}: {} is {:?}, not {:?}\n",
                ::core::file!(),
                ::core::line!(),
                ::core::stringify!($left),
                left,
                right
            ));
            return Err(::kernel::error::code::EINVAL);
        }
    };
    ($condition:expr) => {
        if !$condition {
            ::kernel::kunit::err(::kernel::prelude::fmt!(
                "    # {}:{}: {} is false\n",
                ::core::file!(),
                ::core::line!(),
                ::core::stringify!($condition)
            ));
            return Err(::kernel::error::code::EINVAL);
        }
    };
}
use check;
