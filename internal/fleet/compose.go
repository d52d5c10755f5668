package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/maculamesh/macula/client"
)

// project is the name of what the stage makes in Docker, and tag the images.
const (
	project   = "macula-fleet"
	nodeImage = project + "-node"
	network   = project + "_mesh" // as compose calls the network mesh
)

// Compose is a Stage of deploy/compose.yml: four containers and Prometheus.
// Grafana is left out: it needs an image from a registry. There is one on a
// machine at a time, for the names of its containers.
type Compose struct {
	dir     string // for the data directories and files of the stage
	root    string
	program []string // docker compose or docker-compose
	gates   [Size]client.Gateway
	ids     [Size]string // of the containers
}

var _ Stage = (*Compose)(nil)

// override is what the test changes in deploy/compose.yml: addresses that are
// known before and stay, and a Prometheus that was made here.
const override = `services:
  prometheus:
    image: ` + project + `-prometheus
networks:
  mesh:
    ipam:
      config:
        - subnet: 10.213.78.0/24
`

// address returns that of a node's container. The compose file of a user
// leaves it to Docker.
func address(node int) netip.Addr { return netip.AddrFrom4([4]byte{10, 213, 78, byte(10 + node)}) }

// NewCompose builds the images, prepares the mesh in dir and starts it. What
// an earlier run has left behind it removes first. Call Close, also after an
// error.
func NewCompose(ctx context.Context, dir string) (*Compose, error) {
	s := &Compose{dir: dir}
	var err error
	if s.root, err = Root(); err != nil {
		return s, err
	}
	if s.program, err = composeProgram(ctx); err != nil {
		return s, err
	}
	if _, err := command(ctx, nil, filepath.Join(s.root, "deploy", "image.sh"), nodeImage); err != nil {
		return s, err
	}
	if err := s.prometheusImage(ctx); err != nil {
		return s, err
	}
	// With the image, as somebody without Go would.
	if err := prepare(ctx, []string{"MACULANODE=", "MACULA_IMAGE=" + nodeImage}, s.mesh()); err != nil {
		return s, err
	}
	if err := os.WriteFile(s.override(), []byte(s.addresses()), 0o600); err != nil {
		return s, err
	}
	if err := s.down(ctx); err != nil {
		return s, err
	}
	return s, s.up(ctx)
}

func (s *Compose) mesh() string     { return filepath.Join(s.dir, "mesh") }
func (s *Compose) override() string { return filepath.Join(s.dir, "override.yml") }

// addresses is override with the address of each node.
func (s *Compose) addresses() string {
	var b strings.Builder
	services, rest, _ := strings.Cut(override, "networks:")
	b.WriteString(services)
	for n := range Size {
		fmt.Fprintf(&b, "  %s:\n    networks:\n      mesh:\n        ipv4_address: %s\n", Name(n), address(n))
	}
	b.WriteString("networks:" + rest)
	return b.String()
}

// composeProgram finds Docker's plugin, or the program from before there was
// one.
func composeProgram(ctx context.Context) ([]string, error) {
	if _, err := command(ctx, nil, "docker", "compose", "version"); err == nil {
		return []string{"docker", "compose"}, nil
	}
	if path, err := exec.LookPath("docker-compose"); err == nil {
		return []string{path}, nil
	}
	return nil, errors.New("there is neither docker compose nor docker-compose")
}

func (s *Compose) compose(ctx context.Context, args ...string) ([]byte, error) {
	all := append(s.program[1:len(s.program):len(s.program)], "-p", project, "--env-file", filepath.Join(s.mesh(), "env"),
		"-f", filepath.Join(s.root, "deploy", "compose.yml"), "-f", s.override())
	return command(ctx, []string{"MACULA_IMAGE=" + nodeImage}, s.program[0], append(all, args...)...)
}

func (s *Compose) up(ctx context.Context) error {
	args := []string{"up", "-d", "prometheus"}
	for n := range Size {
		args = append(args, Name(n))
	}
	if _, err := s.compose(ctx, args...); err != nil {
		return err
	}
	for n := range Size {
		out, err := s.compose(ctx, "ps", "-q", Name(n))
		if err != nil {
			return err
		}
		s.ids[n] = string(bytes.TrimSpace(out))
		if s.gates[n], err = gateway(s.mesh(), n, address(n)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Compose) down(ctx context.Context) error {
	_, err := s.compose(ctx, "down", "--volumes", "--remove-orphans", "--timeout", "1")
	return err
}

// Close removes containers, network and images.
func (s *Compose) Close(ctx context.Context) error {
	if _, err := os.Stat(s.override()); err != nil {
		return nil // nothing was started
	}
	err := s.down(ctx)
	_, ierr := docker(ctx, "image", "rm", "--force", nodeImage, project+"-prometheus")
	return errors.Join(err, ierr)
}

// Logs is the end of what each container has logged.
func (s *Compose) Logs() string {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := s.compose(ctx, "logs", "--no-color", "--tail", "30")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func docker(ctx context.Context, args ...string) ([]byte, error) {
	return command(ctx, nil, "docker", args...)
}

// Exec implements Stage.
func (s *Compose) Exec(ctx context.Context, node int, args ...string) ([]byte, error) {
	return docker(ctx, append([]string{"exec", s.ids[node], "/maculanode"}, args...)...)
}

// Kill implements Stage.
func (s *Compose) Kill(ctx context.Context, node int) error {
	_, err := docker(ctx, "kill", s.ids[node])
	return err
}

// Start implements Stage.
func (s *Compose) Start(ctx context.Context, node int) error {
	_, err := docker(ctx, "start", s.ids[node])
	return err
}

// Restart implements Stage. Docker cuts what has not ended by itself after the
// grace period of the compose file, and that shows in the exit code.
func (s *Compose) Restart(ctx context.Context, node int) error {
	if _, err := s.compose(ctx, "stop", Name(node)); err != nil {
		return err
	}
	code, err := docker(ctx, "inspect", "--format", "{{.State.ExitCode}}", s.ids[node])
	if err != nil {
		return err
	}
	if text := string(bytes.TrimSpace(code)); text != "0" {
		return fmt.Errorf("the container of %s ended with exit code %s", Name(node), text)
	}
	return s.Start(ctx, node)
}

// Cut implements Stage: the container loses its network.
func (s *Compose) Cut(ctx context.Context, node int) error {
	_, err := docker(ctx, "network", "disconnect", network, s.ids[node])
	return err
}

// Heal implements Stage. Compose gave the container the name of its service;
// whoever connects it again has to do that too.
func (s *Compose) Heal(ctx context.Context, node int) error {
	_, err := docker(ctx, "network", "connect", "--alias", Name(node), "--ip", address(node).String(), network, s.ids[node])
	return err
}

// Healthy waits until Docker finds every node healthy, by the HEALTHCHECK of
// the image.
func (s *Compose) Healthy(ctx context.Context) error {
	return until(ctx, time.Minute, func(ctx context.Context) error {
		for n, id := range s.ids {
			out, err := docker(ctx, "inspect", "--format", "{{.State.Health.Status}}", id)
			if err != nil {
				return err
			}
			if health := string(bytes.TrimSpace(out)); health != "healthy" {
				return fmt.Errorf("docker finds %s %s", Name(n), health)
			}
		}
		return nil
	})
}

// Gateway implements Stage.
func (s *Compose) Gateway(node int) client.Gateway { return s.gates[node] }
