package control

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/maculamesh/macula/node/fault"
)

// BadPath reports whether err is about a path that was given, so that the same
// again fails the same way until somebody changes something: not about a disk
// that is full, say.
func BadPath(err error) bool {
	for _, about := range []error{
		fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, syscall.ENOTDIR, syscall.EISDIR, syscall.EROFS, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL,
	} {
		if errors.Is(err, about) {
			return true
		}
	}
	return false
}

// pathKind is the kind of an error of the file system.
func pathKind(err error) fault.Kind {
	if BadPath(err) {
		return fault.Invalid
	}
	return fault.Other
}
