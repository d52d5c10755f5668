// Package notify tells the service manager what the process is doing, as
// sd_notify(3) has it: datagrams to the socket that the variable NOTIFY_SOCKET
// names. Without the variable every call does nothing.
package notify

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// Socket is where the service manager listens; empty is nowhere.
type Socket string

// Variable is the name of the variable of the environment with the Socket.
const Variable = "NOTIFY_SOCKET"

// sending bounds a datagram to this machine. The service manager takes it at
// once or hangs, and then the node goes on.
const sending = time.Second

// Ready says that the node answers.
func (s Socket) Ready(status string) error { return s.send("READY=1", "STATUS="+line(status)) }

// Stopping says that the node drains and ends.
func (s Socket) Stopping(status string) error { return s.send("STOPPING=1", "STATUS="+line(status)) }

func (s Socket) send(lines ...string) error {
	if s == "" {
		return nil
	}
	// A name that begins with @ is in the abstract namespace; Go writes it so
	// too.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: string(s), Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("the service manager cannot be told: %w", err)
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(sending))
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("the service manager cannot be told: %w", err)
	}
	return nil
}

// line is text without what would begin another assignment.
func line(text string) string { return strings.ReplaceAll(text, "\n", " ") }
