package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

type initCmd struct {
	Dir    string `help:"Data directory to make. Also $$MACULA_DIR." default:"${dir}" placeholder:"DIR"`
	Realm  string `help:"Realm to write into the configuration." default:"local.macula" placeholder:"NAME"`
	Listen string `help:"Address to write into the configuration." default:"127.0.0.1:4433" placeholder:"HOST:PORT"`
	Keep   bool   `help:"Succeed also when there is a node already, and print its id: for what runs before every start."`
}

// Help is the second part of --help.
func (c *initCmd) Help() string {
	return `Writes node.key (for its owner only) and a commented maculanode.yaml, and prints the id of the
node. Nothing is ever overwritten: what is there already stays, what is missing is added.

Examples:
  maculanode init
  maculanode init --dir ./n1 --realm org.example.mesh --listen 0.0.0.0:4433`
}

// Run implements the command.
func (c *initCmd) Run(m *Main) error {
	if err := wire.ValidRealm(c.Realm); err != nil {
		return usage(fmt.Errorf("--realm: %w", err))
	}
	if _, err := config.ParseEndpoint(c.Listen); err != nil {
		return usage(fmt.Errorf("--listen: %w", err))
	}
	if c.Dir == "" {
		return usage(errors.New("--dir: the path of the data directory is empty"))
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return pathUsage(fmt.Errorf("cannot make the data directory: %w", err))
	}
	keyPath, filePath := filepath.Join(c.Dir, config.KeyName), filepath.Join(c.Dir, config.FileName)
	id, made, err := c.key(keyPath)
	if err != nil {
		return err
	}
	wrote, err := c.file(filePath)
	if err != nil {
		return err
	}
	if !made && !wrote && !c.Keep {
		return fmt.Errorf("there is a node in %s already, nothing was changed: its id is %s", c.Dir, ident.String(id))
	}
	fmt.Fprintln(m.Stdout, ident.String(id))
	return nil
}

// key makes the key file, or reads the one that is there.
func (c *initCmd) key(path string) (id transport.PeerID, made bool, err error) {
	key, err := keyfile.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if key, err = ident.Generate(rand.Reader); err != nil {
			return id, false, err
		}
		if err := keyfile.Create(path, key); err != nil {
			return id, false, pathUsage(err)
		}
		made = true
	case err != nil:
		return id, false, usage(err)
	}
	id, err = ident.FromPublicKey(key.Public().(ed25519.PublicKey))
	return id, made, err
}

// file writes the configuration unless there is one.
func (c *initCmd) file(path string) (wrote bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, pathUsage(fmt.Errorf("cannot write the configuration: %w", err))
	}
	_, err = f.Write(config.Template(c.Realm, c.Listen))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return false, fmt.Errorf("cannot write the configuration: %w", err)
	}
	return true, nil
}

type idCmd struct {
	Dir    string `help:"Data directory. Also $$MACULA_DIR." default:"${dir}" placeholder:"DIR"`
	Config string `help:"Configuration file. Also $$MACULA_CONFIG." placeholder:"FILE"`
	Key    string `help:"Key file; node.key in the data directory." placeholder:"FILE"`
}

// Help is the second part of --help.
func (c *idCmd) Help() string {
	return `Other nodes name this one by its id and address: --peer ID@HOST:PORT.

Examples:
  maculanode id
  maculanode run --peer $(ssh node2 maculanode id)@node2:4433`
}

// Run implements the command.
func (c *idCmd) Run(m *Main) error {
	cfg, err := m.load(place{Dir: c.Dir, Config: c.Config})
	if err != nil {
		return err
	}
	key, err := ownKey(cfg.Key)
	if err != nil {
		return err
	}
	id, err := ident.FromPublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	fmt.Fprintln(m.Stdout, ident.String(id))
	return nil
}
