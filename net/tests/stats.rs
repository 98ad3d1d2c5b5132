// SPDX-License-Identifier: GPL-2.0

//! Counters: nothing is lost between CPUs and tasks.

use super::{
    check,
    probe::{
        self,
        Probe, //
    },
    skbuff::in_xmit, //
};
use crate::net::device::Device;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Completion,
        Mutex, //
    },
    workqueue, //
};

/// How many tasks count at once.
const TASKS: u32 = 4;
/// How often each of them counts.
const TIMES: u32 = 20_000;

/// Tasks that are at work.
#[pin_data]
struct Workers {
    #[pin]
    left: Mutex<u32>,
    #[pin]
    done: Completion,
}

impl Workers {
    fn one_has_ended(&self) {
        let mut left = self.left.lock();
        *left -= 1;
        if *left == 0 {
            self.done.complete_all();
        }
    }
}

/// Lets tasks that are preempted at any time count packets of 1, 2, … bytes.
fn count_in_tasks(dev: &Device<Probe>) -> Result {
    let workers = Arc::pin_init(
        pin_init!(Workers {
            left <- new_mutex!(TASKS),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let address = dev.as_raw() as usize;
    let mut missing = 0;
    for bytes in 1..=TASKS {
        let task = workers.clone();
        let spawned = workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            // SAFETY: The device lives until all tasks have ended, for which the caller waits.
            let dev = unsafe { Device::<Probe>::from_raw(address as *mut _) };
            for _ in 0..TIMES {
                in_xmit(|ctx| dev.lstats_add(bytes, ctx.bh()));
            }
            task.one_has_ended();
        });
        if spawned.is_err() {
            missing += 1;
            workers.one_has_ended();
        }
    }
    workers.done.wait_for_completion();
    check!(missing, 0);
    Ok(())
}

#[kunit_tests(rust_lo_stats)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// The sum over all CPUs is what all tasks have counted.
    #[test]
    fn counted_under_preemption() -> Result {
        probe::with_device(|dev, _| {
            for round in 1..=3 {
                count_in_tasks(dev)?;
                let totals = dev.lstats();
                check!(totals.packets, (round * TASKS * TIMES).into());
                check!(
                    totals.bytes,
                    (round * TASKS * (TASKS + 1) / 2 * TIMES).into()
                );
            }
            Ok(())
        })
    }

    /// A new device begins at 0, whatever the one before it has counted.
    #[test]
    fn begins_at_zero() -> Result {
        for _ in 0..2 {
            probe::with_device(|dev, _| {
                check!((dev.lstats().packets, dev.lstats().bytes), (0, 0));
                in_xmit(|ctx| dev.lstats_add(u32::MAX, ctx.bh()));
                check!(
                    (dev.lstats().packets, dev.lstats().bytes),
                    (1, u32::MAX.into())
                );
                Ok(())
            })?;
        }
        Ok(())
    }
}
