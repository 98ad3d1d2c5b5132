// SPDX-License-Identifier: GPL-2.0

//! The command `run`: a localhost of its own for a program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::netlink::reason;
use crate::netns;
use crate::prefer::{prefer, Families};
use crate::shape::Shape;
use crate::state::{Dev, KIND, LOOPBACK};
use crate::uapi::*;
use crate::wire::{attr, Request};

/// The device that localhost is there.
const NAME: &str = "rust_lo0";

/// Becomes the program, in a namespace that is made for it. Returns only if that fails.
///
/// So nothing stands between the program and who started it: signals, status, terminal and job control are its own,
/// and the namespace goes with the last process in it, whatever ends that.
pub fn run(shape: &Shape, command: &[OsString]) -> Result<io::Error> {
    let mut notices: Vec<String> = netns::enter_new()?.into_iter().collect();
    notices.extend(localhost(shape)?);
    for notice in notices {
        eprintln!("rust-lo: {notice}");
    }
    Ok(Command::new(&command[0]).args(&command[1..]).exec())
}

/// Makes localhost in a namespace that has but a `lo` that is down. What the user should know even so.
fn localhost(shape: &Shape) -> Result<Vec<String>> {
    let mut kernel = Kernel::connect()?;
    let name = format!("{NAME}\0");
    let new = Request::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &[0; 16])
        .attr(IFLA_IFNAME, name.as_bytes())
        .attr(IFLA_LINKINFO, &attr(IFLA_INFO_KIND, KIND.as_bytes()));
    let module = "the kernel has no devices of that kind: modprobe rust_lo, or insmod rust_lo.ko";
    done(
        &mut kernel,
        NAME,
        shape.link(new),
        &[(EOPNOTSUPP, module), (ENOENT, module)],
    )?;
    let links = kernel.links()?;
    let dev = links.iter().find(|l| l.name == NAME);
    let dev = dev.ok_or_else(|| Error::about(NAME, "gone"))?.dev;
    // The route of a local packet is that of lo.
    done(&mut kernel, "lo", shape.link(up(LOOPBACK)), &[])?;
    done(&mut kernel, NAME, up(dev), &[])?;
    if let Some(qdisc) = shape.qdisc(dev) {
        let module = "the kernel has no netem: modprobe sch_netem";
        done(
            &mut kernel,
            NAME,
            qdisc,
            &[(ENOENT, module), (EOPNOTSUPP, module)],
        )?;
    }
    let both = Families { v4: true, v6: true };
    let outcome = prefer(&mut kernel, NAME, both, false).map_err(|e| Error::about(NAME, e))?;
    let about = |notice| format!("{NAME}: {notice}");
    Ok(outcome.notices.into_iter().map(about).collect())
}

/// Carries out a request about a device. Some errors have reasons of their own.
fn done(kernel: &mut Kernel, dev: &str, request: Request, known: &[(i32, &str)]) -> Result<()> {
    kernel.change(request)?.map_err(|code| {
        let why = known.iter().find(|(c, _)| *c == code);
        Error::about(dev, why.map_or(reason(code), |(_, why)| (*why).into()))
    })
}

/// A request to bring a device up.
fn up(dev: Dev) -> Request {
    // struct ifinfomsg
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&dev.to_ne_bytes());
    fixed[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    fixed[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    Request::new(RTM_NEWLINK, 0, &fixed)
}
