package doctor

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// clockSynced asks the kernel whether something keeps its clock right.
func clockSynced() (synced, known bool) {
	const (
		unsynced  = 0x40 // STA_UNSYNC
		timeError = 5    // TIME_ERROR
	)
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return false, false
	}
	return state != timeError && t.Status&unsynced == 0, true
}

// maxProc bounds what is read of a file under /proc, in bytes.
const maxProc = 64 << 10

func proc(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxProc))
	return data
}

// limitOf is how many files a process may have open.
func limitOf(pid int) (int, bool) {
	return openFiles(proc(fmt.Sprintf("/proc/%d/limits", pid)))
}

// openFiles finds the soft limit in what /proc/PID/limits says.
func openFiles(limits []byte) (int, bool) {
	for line := range strings.Lines(string(limits)) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if f := strings.Fields(rest); ok && len(f) > 0 {
			n, err := strconv.Atoi(f[0])
			return n, err == nil && n > 0
		}
	}
	return 0, false
}

// systemMemory is how much memory the machine has in bytes, or 0.
func systemMemory() int64 {
	sc := bufio.NewScanner(bytes.NewReader(proc("/proc/meminfo")))
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil || kib < 0 || kib > 1<<50 {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
