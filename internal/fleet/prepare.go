package fleet

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node/ident"
)

// Build builds a static maculanode of this tree for this machine at path.
func Build(ctx context.Context, path string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	_, err = command(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-C", root, "-trimpath", "-o", path, "./cmd/maculanode")
	return err
}

// prepare makes the data directories as a user does, by deploy/mesh-init.sh.
func prepare(ctx context.Context, env []string, dir string, names ...string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	env = append(env, "MACULA_REALM="+Realm, fmt.Sprintf("MACULA_PORT=%d", port))
	_, err = command(ctx, env, filepath.Join(root, "deploy", "mesh-init.sh"), append([]string{dir}, names...)...)
	return err
}

// gateway is the node whose data directory prepare made, at an address.
func gateway(dir string, node int, at netip.Addr) (client.Gateway, error) {
	text, err := os.ReadFile(filepath.Join(dir, Name(node), "id"))
	if err != nil {
		return client.Gateway{}, err
	}
	id, err := ident.Parse(string(bytes.TrimSpace(text)))
	return client.Gateway{ID: id, Addr: netip.AddrPortFrom(at, port)}, err
}
