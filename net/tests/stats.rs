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
use crate::net::{
    bindings,
    device::Device, //
};
use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    cpumask::Cpumask,
    impl_has_work, new_work,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        Completion, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue::{
        RawWorkItem,
        Work,
        WorkItem, //
    },
};

/// On how many CPUs tasks count, if there are so many.
const CPUS: usize = 2;
/// How many tasks count at once.
const TASKS: u32 = 4;
/// How often each of them counts.
const TIMES: u32 = 20_000;

/// What all tasks share.
#[pin_data]
struct Race {
    /// How many are there to begin.
    ready: Atomic<u32>,
    /// How many have ended.
    ended: Atomic<u32>,
    /// How many were not on the CPU that they are for.
    astray: Atomic<u32>,
    #[pin]
    done: Completion,
}

/// Counts packets of so many bytes on one CPU.
#[pin_data]
struct Task {
    #[pin]
    work: Work<Task>,
    race: Arc<Race>,
    cpu: CpuId,
    bytes: u32,
    /// Address of the device.
    dev: usize,
}

impl_has_work! {
    impl HasWork<Self> for Task { self.work }
}

impl WorkItem for Task {
    type Pointer = Pin<KBox<Self>>;

    fn run(this: Pin<KBox<Self>>) {
        let race = &this.race;
        // SAFETY: The device lives until all tasks have ended, for which `count_at_once` waits.
        let dev = unsafe { Device::<Probe>::from_raw(this.dev as *mut _) };

        if CpuId::current() != this.cpu {
            race.astray.add(1, Relaxed);
        }
        race.ready.add(1, Relaxed);
        while race.ready.load(Relaxed) < TASKS {
            fsleep(Delta::from_millis(1));
        }
        for _ in 0..TIMES {
            in_xmit(|ctx| dev.lstats_add(this.bytes, ctx.bh()));
        }
        if race.ended.fetch_add(1, Full) + 1 == TASKS {
            race.done.complete_all();
        }
    }
}

/// Whether a CPU is one that work can be done on.
fn online(cpu: &CpuId) -> bool {
    // SAFETY: A static of the kernel's, whose bits are written to atomically.
    unsafe { Cpumask::from_raw(&raw const kernel::bindings::__cpu_online_mask) }.test(*cpu)
}

/// Lets tasks that share two CPUs, and preempt each other there, count packets of 1, 2, … bytes.
fn count_at_once(dev: &Device<Probe>) -> Result {
    let race = Arc::pin_init(
        pin_init!(Race {
            ready: Atomic::new(0),
            ended: Atomic::new(0),
            astray: Atomic::new(0),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let cpus = (0..nr_cpu_ids())
        .filter_map(CpuId::from_u32)
        .filter(online)
        .take(CPUS)
        .cycle();
    // All are made before the first begins, which waits for the others.
    let mut tasks = KVec::new();
    for (bytes, cpu) in (1..=TASKS).zip(cpus) {
        let shared = race.clone();
        let task = KBox::pin_init(
            pin_init!(Task {
                work <- new_work!("Task::work"),
                race: shared,
                cpu,
                bytes,
                dev: dev.as_raw() as usize,
            }),
            GFP_KERNEL,
        )?;
        tasks.push(task, GFP_KERNEL)?;
    }
    for task in tasks {
        let cpu = task.cpu;
        // SAFETY: The work is new, so it is in no queue and gets into one: `false` never comes
        // back. It can be done by any task.
        unsafe {
            task.__enqueue(|work| {
                kernel::bindings::queue_work_on(
                    cpu.into(),
                    kernel::bindings::system_percpu_wq,
                    work,
                )
            });
        }
    }
    race.done.wait_for_completion();
    check!(race.astray.load(Relaxed), 0);
    Ok(())
}

#[kunit_tests(rust_lo_stats)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// The sum over all CPUs is what all tasks have counted.
    #[test]
    fn counted_at_once() -> Result {
        probe::with_device(|dev, _| {
            for round in 1..=3 {
                count_at_once(dev)?;
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

    /// Counters are read inside RCU, also where the caller is not. (The driver sees to it.)
    #[test]
    fn read_inside_rcu() -> Result {
        probe::with_device(|dev, _| {
            in_xmit(|ctx| dev.lstats_add(1, ctx.bh()));
            let mut stats: bindings::rtnl_link_stats64 = pin_init::zeroed();
            // SAFETY: The device is live.
            unsafe { bindings::dev_get_stats(dev.as_raw(), &mut stats) };
            check!(stats.rx_packets, 1);
            Ok(())
        })
    }
}
