// SPDX-License-Identifier: GPL-2.0

//! Bringing a namespace from the state it is in to another one, or leaving it as it was.

use std::fs::File;
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::error::{Error, Result};
use crate::kernel::{Kernel, Snapshot};
use crate::plan::{plan, Step};
use crate::state::State;

const EPERM: i32 = 1;
const TRIES: u32 = 5;
const MOMENT: Duration = Duration::from_millis(5);

/// Keeps signals off while it lives; those that came take effect when it goes.
pub struct Quiet(SigSet);

impl Quiet {
    /// Blocks all signals that can be blocked.
    pub fn new() -> Result<Self> {
        SigSet::all()
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map(Self)
            .map_err(|e| Error::about("signals", e.desc()))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = self.0.thread_set_mask();
    }
}

/// One rust-lo at a time changes a namespace: a lock on the file of the namespace itself.
///
/// Anybody may take that lock, so it is not waited for longer than a few seconds; without it two changes at once may
/// make one of them fail, no more.
pub fn lock() -> Option<Flock<File>> {
    let mut file = File::open("/proc/thread-self/ns/net").ok()?;
    for _ in 0..1000 {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((back, _)) => file = back,
        }
        sleep(MOMENT);
    }
    None
}

/// How things stand once the kernel has added the routes of all addresses, which it does a little later.
pub fn settled(kernel: &mut Kernel) -> Result<Snapshot> {
    let mut snapshot = kernel.snapshot()?;
    for _ in 0..400 {
        if !snapshot.pending {
            break;
        }
        sleep(MOMENT);
        snapshot = kernel.snapshot()?;
    }
    Ok(snapshot)
}

/// Goes from `before` to `goal`, or back to `before` if that fails. Whether there was anything to do.
pub fn change(kernel: &mut Kernel, before: &Snapshot, goal: &State) -> Result<bool> {
    if before.state == *goal {
        return Ok(false);
    }
    possible(&plan(&before.state, goal), before)?;

    let mut why = String::new();
    for round in 0..TRIES {
        let now = settled(kernel)?;
        let steps = plan(&now.state, goal);
        if steps.is_empty() {
            return Ok(true);
        }
        sleep(MOMENT * round);
        // Whatever the answer, what counts is how things stand afterwards.
        match kernel.apply(&steps) {
            Ok(Some(refused)) if refused.code == EPERM => return Err(Error(refused.reason)),
            Ok(Some(refused)) => why = refused.reason,
            Ok(None) => {}
            Err(error) => why = error.to_string(),
        }
    }
    if settled(kernel)?.state == *goal {
        return Ok(true);
    }
    if why.is_empty() {
        why = "somebody else keeps changing the routes".into();
    }
    match undo(kernel, &before.state)? {
        true => Err(Error(format!("{why} (everything is as before)"))),
        false => Err(Error(format!(
            "{why}; not all could be put back, try again"
        ))),
    }
}

/// Goes back step by step, no further than the first that fails. Whether it was there in the end.
fn undo(kernel: &mut Kernel, before: &State) -> Result<bool> {
    for _ in 0..TRIES {
        let steps = plan(&settled(kernel)?.state, before);
        if steps.is_empty() {
            return Ok(true);
        }
        for step in steps {
            if kernel.apply(&[step])?.is_some() {
                break;
            }
        }
    }
    Ok(settled(kernel)?.state == *before)
}

/// Refuses steps that could not be undone.
fn possible(steps: &[Step], before: &Snapshot) -> Result<()> {
    for step in steps {
        match step {
            Step::Del4(route) if route.odd => {
                return Err(Error(format!(
                    "the route to {}/{} cannot be moved",
                    route.dst, route.len
                )));
            }
            Step::Del6(addr) => {
                let concerns = |(dev, _): &&(u32, String)| *dev == 0 || *dev == addr.dev;
                if let Some((_, why)) = before.obstacles.iter().find(concerns) {
                    return Err(Error(format!("{why}; remove that route, or use -4")));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
