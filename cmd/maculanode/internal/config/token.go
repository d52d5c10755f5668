package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

const (
	minToken = 16   // bytes: shorter ones can be guessed
	maxToken = 1024 // bytes
)

// ReadToken reads the token in the file at path. The error says in one line
// what is wrong, and nothing of what the file holds: there is none, it is no
// regular file, others than its owner and group may read it or others than its
// owner write it, or what it holds
// is not one word of 16 to 1024 characters.
func ReadToken(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no token file at %s: make one with: (umask 077; openssl rand -hex 32 > %s)", path, path)
	case err != nil:
		return "", fmt.Errorf("the token file %s: %w", path, bare(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the token file %s is not a regular file", path)
	case info.Mode().Perm()&0o037 != 0 && runtime.GOOS != "windows": // there the bits say nothing
		return "", fmt.Errorf("the token file %s can be read by everybody, or written by others than its owner (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	case info.Size() > maxFile:
		return "", fmt.Errorf("the token file %s has %d bytes, a token has at most %d", path, info.Size(), maxToken)
	}
	data, err := readAll(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the token file %s: %w", path, bare(err))
	}
	token, err := parseToken(string(data))
	if err != nil {
		return "", fmt.Errorf("the token file %s %w", path, err)
	}
	return token, nil
}

// parseToken takes one word of printable ASCII, which a header can carry.
func parseToken(text string) (string, error) {
	token := strings.TrimRight(text, "\r\n")
	switch {
	case token == "":
		return "", errors.New("is empty: write one word into it, for example that of: openssl rand -hex 32")
	case len(token) < minToken || len(token) > maxToken:
		return "", fmt.Errorf("has a token of %d characters: it needs %d to %d", len(token), minToken, maxToken)
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return "", fmt.Errorf("has more than one word of plain characters in it: character %d is a blank or none of ASCII", i+1)
		}
	}
	return token, nil
}
