package doctor

import (
	"os"
	"testing"
)

func TestTheLimitOnOpenFilesIsFound(t *testing.T) {
	const limits = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max open files            1024                 524288               files     \n"
	if n, ok := openFiles([]byte(limits)); n != 1024 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	for _, text := range []string{"", "Max open files", "Max open files unlimited x\n", "Max open files -1 1 files\n"} {
		if n, ok := openFiles([]byte(text)); ok {
			t.Errorf("%q has the limit %d", text, n)
		}
	}
	if n, ok := limitOf(os.Getpid()); !ok || n < 1 {
		t.Errorf("this process may have %d files, %v", n, ok)
	}
	if systemMemory() < 1<<20 {
		t.Errorf("this machine has %d bytes", systemMemory())
	}
}
