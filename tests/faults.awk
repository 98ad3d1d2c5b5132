# SPDX-License-Identifier: GPL-2.0
#
# Takes out of a kernel log what the kernel says of itself when allocations are
# made to fail: between the marks of faults.sh, and these reports alone.

/rust_lo-tests: faults begin/ { injecting = 1 }
/rust_lo-tests: faults end/ { injecting = 0 }

# One line: references are counted without the stacks that took them.
injecting && /ref_tracker: memory allocation failure, unreliable refcount tracker/ { next }

# With a stack: of the allocators of modules and of per-CPU data.
injecting && /vmalloc error: |percpu: allocation failed|page allocation failure: / {
	report = 1
	lines = 0
	next
}
# Another one that begins in the middle is not one of them.
report && /BUG|WARNING|KASAN|UBSAN|Oops|INFO:|panicked|refcount|ref_tracker/ { report = 0 }
report {
	if (/<\/TASK>|---\[ end trace/ || ++lines > 200)
		report = 0
	next
}
{ print }
