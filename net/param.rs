// SPDX-License-Identifier: GPL-2.0

//! Module parameters with a range, and such that are on or off.
//!
//! The `params` of `module!` know neither, and cannot be seen in sysfs.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use super::bindings;
use core::cell::UnsafeCell;
use kernel::prelude::*;

/// The value of a parameter, set when the module is loaded and read-only from then on.
///
/// Made by [`module_params!`](crate::module_params).
#[repr(transparent)]
pub struct Param<T>(UnsafeCell<T>);

// SAFETY: The kernel writes the value while it parses the parameters, before any code of the
// module runs, and never later: there is no write permission in sysfs.
unsafe impl<T: Sync> Sync for Param<T> {}

impl<T: Copy> Param<T> {
    #[doc(hidden)]
    pub const fn new(default: T) -> Self {
        Self(UnsafeCell::new(default))
    }

    /// The value that was given, or the default.
    #[inline]
    pub fn get(&self) -> T {
        // SAFETY: Nobody writes any more, see `Sync`.
        unsafe { *self.0.get() }
    }
}

/// An entry of the section `__param`.
#[doc(hidden)]
#[repr(transparent)]
pub struct Entry(pub(super) bindings::kernel_param);

// SAFETY: It is never written to, and what it points to is for the kernel alone.
unsafe impl Sync for Entry {}

impl Entry {
    /// A number from `MIN` to `MAX`.
    #[doc(hidden)]
    pub const fn uint<const MIN: u32, const MAX: u32>(
        name: &'static CStr,
        param: &'static Param<u32>,
    ) -> Self {
        Self::new(name, &Uint::<MIN, MAX>::OPS, param.0.get().cast())
    }

    /// On or off: `name`, `name=1`, `name=y`, `name=on`, …
    #[doc(hidden)]
    pub const fn bool(name: &'static CStr, param: &'static Param<bool>) -> Self {
        // `&raw const`: only the address of the kernel's own operations for it is taken.
        Self::new(
            name,
            &raw const bindings::param_ops_bool,
            param.0.get().cast(),
        )
    }

    const fn new(
        name: &'static CStr,
        ops: *const bindings::kernel_param_ops,
        value: *mut c_void,
    ) -> Self {
        Self(bindings::kernel_param {
            name: kernel::str::as_char_ptr_in_const_context(name),
            mod_: (&raw const kernel::bindings::__this_module)
                .cast_mut()
                .cast(),
            ops,
            perm: 0o444,
            level: -1,
            flags: 0,
            __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 { arg: value },
        })
    }
}

struct Uint<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Uint<MIN, MAX> {
    const OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
        flags: 0,
        set: Some(Self::set),
        get: Some(bindings::param_get_uint),
        free: None,
    };

    /// # Safety
    ///
    /// To be called by the kernel with the text of a value and the entry it is for.
    unsafe extern "C" fn set(value: *const c_char, param: *const bindings::kernel_param) -> c_int {
        // SAFETY: By the function's safety requirement; `arg` of the entry points to a `u32`.
        let err = unsafe { bindings::param_set_uint_minmax(value, param, MIN, MAX) };
        if err == 0 {
            return 0;
        }
        // SAFETY: By the function's safety requirement, both are C strings; the value is there,
        // since the kernel refuses a parameter without one itself (no `…_FL_NOARG`).
        let name = unsafe { CStr::from_char_ptr((*param).name) };
        // SAFETY: As above.
        let value = unsafe { CStr::from_char_ptr(value) };
        pr_err!(
            "parameter {}={}: must be a number from {} to {}\n",
            text(name),
            text(value),
            MIN,
            MAX
        );
        // Not the ERANGE of `kstrtouint()` for a number beyond 32 bits: out of range is EINVAL.
        EINVAL.to_errno()
    }
}

/// A C string that came from outside, for a message.
fn text(string: &CStr) -> &kernel::str::BStr {
    string.as_ref()
}

/// Text as bytes, for the section `.modinfo`.
#[doc(hidden)]
pub const fn modinfo<const LEN: usize>(text: &str) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let mut i = 0;
    while i < LEN {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}

/// Declares the parameters of the module, each a `static` [`Param`] of its name.
///
/// ```ignore
/// module_params! {
///     ports: u32 in 1..=4 => 2, "Number of ports (1 to 4, default 2)";
///     debug: bool => false, "Say more (default off)";
/// }
/// ```
#[macro_export]
macro_rules! module_params {
    (@entry $name:ident $cstr:ident u32 $min:literal $max:expr) => {
        $crate::net::param::Entry::uint::<$min, { $max }>($cstr, &$name)
    };
    (@entry $name:ident $cstr:ident bool) => {
        $crate::net::param::Entry::bool($cstr, &$name)
    };
    (@type u32) => { "uint" };
    (@type bool) => { "bool" };
    (@modinfo $text:expr) => {
        const _: () = {
            const TEXT: &str = $text;
            #[link_section = ".modinfo"]
            // Like those of module!: the linker's kind gets a section of its own, and modpost
            // reads but one.
            #[used(compiler)]
            static BYTES: [u8; TEXT.len()] = $crate::net::param::modinfo(TEXT);
        };
    };
    ($(
        $name:ident: $type:ident $(in $min:literal..=$max:expr)? => $default:expr,
        $description:literal;
    )*) => { $(
        #[doc = $description]
        #[allow(non_upper_case_globals)]
        static $name: $crate::net::param::Param<$type> =
            $crate::net::param::Param::new($default);

        const _: () = {
            const NAME: &::kernel::str::CStr = ::kernel::c_str!(::core::stringify!($name));
            #[link_section = "__param"]
            #[used(compiler)]
            static ENTRY: $crate::net::param::Entry =
                $crate::module_params!(@entry $name NAME $type $($min $max)?);
        };
        $crate::module_params!(@modinfo ::core::concat!(
            "parmtype=", ::core::stringify!($name), ":", $crate::module_params!(@type $type), "\0"
        ));
        $crate::module_params!(@modinfo ::core::concat!(
            "parm=", ::core::stringify!($name), ":", $description, "\0"
        ));
    )* };
}
