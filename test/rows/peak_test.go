package rows

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// peak runs f and says how much memory the process had meanwhile at most, that
// of before included: Linux tells, others do not. A database that is another
// process is not in it.
func peak(f func()) string {
	debug.FreeOSMemory()
	before := status("VmRSS")
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // forget the peak; where that fails, it is too high
	f()
	return fmt.Sprintf("resident memory %d MB before, %d MB at most", before>>10, status("VmHWM")>>10)
}

// status reads a line of /proc/self/status, in KiB; 0 where there is none.
func status(name string) (kib int) {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			_, _ = fmt.Sscan(value, &kib)
		}
	}
	return kib
}
