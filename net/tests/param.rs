// SPDX-License-Identifier: GPL-2.0

//! Module parameters: what is in the range is taken, all else refused.

use super::check;
use crate::net::param::{
    Entry,
    Param, //
};
use kernel::prelude::*;

/// Sets a parameter from a text, as the kernel does.
fn set(entry: &Entry, value: &CStr) -> Result {
    // SAFETY: The operations of an entry are `'static`.
    let set = unsafe { (*entry.0.ops).set }.ok_or(EINVAL)?;
    // SAFETY: A C string and an entry, as is asked for.
    kernel::error::to_result(unsafe {
        set(kernel::str::as_char_ptr_in_const_context(value), &entry.0)
    })
}

#[kunit_tests(rust_lo_param)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    #[test]
    fn number() -> Result {
        static NUMBER: Param<u32> = Param::new(7);
        let entry = Entry::uint::<2, 1024>(c"kunit_number", &NUMBER);

        check!(NUMBER.get(), 7);
        for (text, value) in [(c"2", 2), (c"1024", 1024), (c"0x10", 16), (c"3\n", 3)] {
            set(&entry, text)?;
            check!(NUMBER.get(), value);
        }
        for text in [
            c"",
            c"0",
            c"1",
            c"1025",
            c"-1",
            c"4294967298",
            c"99999999999999999999",
            c"abc",
            c"5x",
            c" 5",
        ] {
            check!(set(&entry, text), Err(EINVAL));
            check!(NUMBER.get(), 3);
        }
        Ok(())
    }

    #[test]
    fn boolean() -> Result {
        static SWITCH: Param<bool> = Param::new(false);
        let entry = Entry::bool(c"kunit_switch", &SWITCH);

        for (text, value) in [(c"1", true), (c"0", false), (c"y", true), (c"off", false)] {
            set(&entry, text)?;
            check!(SWITCH.get(), value);
        }
        check!(set(&entry, c"perhaps").is_err());
        check!(!SWITCH.get());
        Ok(())
    }
}
