# SPDX-License-Identifier: GPL-2.0
#
# A kernel log without the data races that are none of rust_lo's: KCSAN reports
# those of the whole kernel, whichever device a packet takes. A report is kept
# if one of its two stacks goes through the module. The lines of the others come
# out empty; with -v others=1 only the first lines of these reports do.

function end_of_report() {
	if (ours) {
		if (!others)
			print held
	} else if (others) {
		print title
	} else {
		gsub(/[^\n]/, "", held)
		print held
	}
	held = title = ours = ""
}

title {
	held = held "\n" $0
	if (/\[rust_lo\]/)
		ours = 1
	if (/====================$/)
		end_of_report()
	next
}
held && /BUG: KCSAN: / {
	title = $0
	sub(/.*BUG: /, "", title)
	held = held "\n" $0
	next
}
held && !others { print held }
{ held = "" }
# KASAN has the same line.
/====================$/ { held = $0; next }
!others { print }
END {
	if (!others && held)
		print held
}
