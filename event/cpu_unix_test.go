//go:build unix

package event

import (
	"syscall"
	"testing"
)

// reportCPU adds the processor time per operation, which a busy machine
// distorts less than the time on the clock.
func reportCPU(b *testing.B, start int64) {
	b.ReportMetric(float64(cpuNS()-start)/float64(b.N), "cpu-ns/op")
}

func cpuNS() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
