//go:build !linux

package doctor

// clockSynced does not know.
func clockSynced() (synced, known bool) { return false, false }

// limitOf does not know the limits of others.
func limitOf(int) (int, bool) { return 0, false }

// systemMemory does not know.
func systemMemory() int64 { return 0 }
