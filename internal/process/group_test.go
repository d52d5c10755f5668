//go:build unix

package process

import (
	"syscall"
	"testing"
)

func TestANodeHasTheAttributesThatItIsGiven(t *testing.T) {
	p := made(t, "works")
	p.c.Attr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("process %d is in group %d, %v", p.PID(), group, err)
	}
}
