package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// prometheusFile is the image of Prometheus from the program of this machine
// and the libraries that it loads. Nothing comes from a registry.
const prometheusFile = `FROM scratch
COPY files /
ENTRYPOINT ["/bin/prometheus"]
`

// prometheusImage builds an image that takes the place of prom/prometheus.
func (s *Compose) prometheusImage(ctx context.Context) error {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return errors.New("there is no prometheus on the PATH to make an image of: install the package prometheus")
	}
	at := filepath.Join(s.dir, "prometheus")
	files := map[string]string{program: "/bin/prometheus"}
	libraries, err := command(ctx, nil, "ldd", program)
	switch {
	case err != nil && !strings.Contains(err.Error(), "not a dynamic executable"):
		return err
	case err == nil:
		for field := range strings.FieldsSeq(string(libraries)) {
			if strings.HasPrefix(field, "/") {
				files[field] = field
			}
		}
	}
	for from, to := range files {
		if err := copyFile(from, filepath.Join(at, "files", to)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(at, "Dockerfile"), []byte(prometheusFile), 0o600); err != nil {
		return err
	}
	_, err = docker(ctx, "build", "--quiet", "--tag", project+"-prometheus", at)
	return err
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// Prometheus asks the Prometheus of the stage: all nodes have to be up, and
// the rules of deploy/prometheus loaded. It tries until they are, or a minute
// has passed.
func (s *Compose) Prometheus(ctx context.Context) error {
	return until(ctx, time.Minute, func(ctx context.Context) error {
		at, err := s.prometheusAddress(ctx)
		if err != nil {
			return err
		}
		if err := targetsUp(ctx, at); err != nil {
			return err
		}
		return rulesLoaded(ctx, at)
	})
}

// prometheusAddress is where its port is published on this machine.
func (s *Compose) prometheusAddress(ctx context.Context) (string, error) {
	out, err := s.compose(ctx, "port", "prometheus", "9090")
	return strings.TrimSpace(string(out)), err
}

func targetsUp(ctx context.Context, at string) error {
	var targets struct {
		Data struct {
			Active []struct {
				URL    string `json:"scrapeUrl"`
				Health string `json:"health"`
				Error  string `json:"lastError"`
			} `json:"activeTargets"`
		} `json:"data"`
	}
	if err := get(ctx, at, "/api/v1/targets?state=active", &targets); err != nil {
		return err
	}
	for _, t := range targets.Data.Active {
		if t.Health != "up" {
			return fmt.Errorf("prometheus: %s is %s: %s", t.URL, t.Health, t.Error)
		}
	}
	if n := len(targets.Data.Active); n != Size {
		return fmt.Errorf("prometheus has %d targets, not %d", n, Size)
	}
	return nil
}

func rulesLoaded(ctx context.Context, at string) error {
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name   string `json:"name"`
					Health string `json:"health"`
					Error  string `json:"lastError"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	if err := get(ctx, at, "/api/v1/rules", &rules); err != nil {
		return err
	}
	count := 0
	for _, g := range rules.Data.Groups {
		for _, r := range g.Rules {
			count++
			if r.Health != "ok" {
				return fmt.Errorf("prometheus: the rule %s is %s: %s", r.Name, r.Health, r.Error)
			}
		}
	}
	if count == 0 {
		return errors.New("prometheus has loaded no rules")
	}
	return nil
}

// maxAnswer bounds what is read of an answer in bytes.
const maxAnswer = 4 << 20

func get(ctx context.Context, at, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+path, nil)
	if err != nil {
		return err
	}
	req.Close = true // no connection stays behind
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("prometheus answers %s with %s", path, resp.Status)
	}
	return json.Unmarshal(data, v)
}
