// Package deploy checks what is given for deployment: that the files say what
// the gateway understands and pass their linters, and, where Helm is installed,
// that the chart renders to what a cluster would take.
package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/cartrita/cartrita/config"
)

const dir = "../../deploy/"

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(dir + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// understood fails unless each of the gateway's variables names a setting.
func understood(t *testing.T, environ []string) *config.Loaded {
	t.Helper()
	l, err := config.Load(config.Options{Environ: environ})
	if err != nil {
		t.Fatal(config.Problems(err))
	}
	for _, w := range l.Warnings {
		t.Error(w)
	}
	return l
}

func TestTheImageRunsWithoutRights(t *testing.T) {
	file := read(t, "Dockerfile")
	stages := strings.Split(file, "\nFROM ")
	last := stages[len(stages)-1]
	if !strings.HasPrefix(last, "scratch\n") {
		t.Errorf("the image is built on %.40q", last)
	}
	if !regexp.MustCompile(`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`).MatchString(last) {
		t.Error("the image names no user by number: a cluster cannot tell that it is not root")
	}
	var environ []string
	for _, v := range regexp.MustCompile(`CARTRITA_[A-Z_]+=\S+`).FindAllString(last, -1) {
		environ = append(environ, strings.TrimSuffix(v, "\\"))
	}
	if l := understood(t, environ); l.Keys.Required != config.KeysAlways || l.Listen != "0.0.0.0:8080" || l.Data != "/data" {
		t.Errorf("the image sets %v", environ)
	}
}

func TestTheComposeFileIsUnderstood(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Environment map[string]string `yaml:"environment"`
			Volumes     []string          `yaml:"volumes"`
			ReadOnly    bool              `yaml:"read_only"`
			Command     []string          `yaml:"command"`
			Build       struct {
				Args map[string]string `yaml:"args"`
			} `yaml:"build"`
		} `yaml:"services"`
		Volumes map[string]any `yaml:"volumes"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for name, s := range file.Services {
		if !strings.HasPrefix(name, "gateway-") {
			continue
		}
		var environ []string
		for k, v := range s.Environment {
			environ = append(environ, k+"="+v)
			if ref, ok := strings.CutPrefix(v, "env:"); ok && s.Environment[ref] == "" {
				t.Errorf("%s: %s refers to %s, which is not set", name, k, ref)
			}
		}
		if l := understood(t, append(environ, "CARTRITA_KEYS_REQUIRED=always")); l.Store != "env:DATABASE_URL" || l.Redis != "env:REDIS_URL" {
			t.Errorf("%s: store %q, redis %q", name, l.Store, l.Redis)
		}
		if len(s.Command) > 0 { // a flag of serve is unknown to commands that run in the container
			t.Errorf("%s: the command is %v, want that of the image", name, s.Command)
		}
		if s.Build.Args["VERSION"] != "${VERSION:-dev}" {
			t.Errorf("%s: the image is built with %v, want VERSION", name, s.Build.Args)
		}
		volume, _, _ := strings.Cut(strings.Join(s.Volumes, ""), ":")
		if _, declared := file.Volumes[volume]; !declared || seen[volume] || !s.ReadOnly {
			t.Errorf("%s: volumes %v, read only %v; want a declared volume of its own", name, s.Volumes, s.ReadOnly)
		}
		seen[volume] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d gateways, want 3", len(seen))
	}
}

// The linters are those of Docker itself, in a module of their own.
func TestTheImageAndTheComposeFilePassTheirLinters(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "go", "-C", "lint", "mod", "download").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: the Dockerfile and the compose file, since the modules of their linters cannot be had: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "-C", "lint", "run", ".", "../"+dir).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Commands that run in a pod beside the gateway go by its configuration.
func TestCommandsInAPodKnowTheConfiguration(t *testing.T) {
	set := read(t, "chart/templates/statefulset.yaml")
	for _, want := range []string{
		"{name: CARTRITA_CONFIG, value: /etc/cartrita/cartrita.yaml}",
		"{name: config, mountPath: /etc/cartrita, readOnly: true}",
	} {
		if !strings.Contains(set, want) {
			t.Errorf("the pods have no %s", want)
		}
	}
	if strings.Contains(set, "--config") {
		t.Error("what --config says, commands beside the gateway do not know")
	}
}

// helm returns the command, or skips the test.
func helm(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("helm"); err == nil {
		return path
	}
	home, err := os.UserHomeDir()
	if err == nil {
		if path := filepath.Join(home, "go", "bin", "helm"); exec.CommandContext(t.Context(), path, "version").Run() == nil {
			return path
		}
	}
	t.Skip("NOT TESTED: the Helm chart. `make helm` installs what renders it.")
	return ""
}

func TestTheChartRenders(t *testing.T) {
	command := helm(t)
	run := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		c := exec.CommandContext(t.Context(), command, args...)
		c.Stdout, c.Stderr = &out, &errs
		if err := c.Run(); err != nil {
			t.Fatalf("helm %v: %v\n%s%s", args, err, &out, &errs)
		}
		return out.String()
	}
	run("lint", "--strict", dir+"chart")
	rendered := run("template", "test", dir+"chart", "--kube-version", "1.30.0", "--set", "redis=true,serviceMonitor.enabled=true,drainDelay=7",
		"--set", "config.router.max_attempts=4", "--set", "config.limits.queue=5", "--set-string", "podAnnotations.a=b")
	kinds := map[string]int{}
	for _, text := range strings.Split(rendered, "\n---\n") {
		var object struct {
			Kind string            `yaml:"kind"`
			Data map[string]string `yaml:"data"`
		}
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		kinds[object.Kind]++
		if object.Kind != "ConfigMap" {
			continue
		}
		l, err := config.Parse("cartrita.yaml", []byte(object.Data["cartrita.yaml"]))
		if err != nil {
			t.Fatal(config.Problems(err))
		}
		if l.Router.MaxAttempts != 4 || l.Limits.Queue != 5 || l.Limits.DrainDelay.Std().Seconds() != 7 || l.Redis != "env:REDIS_URL" || l.Keys.Required != config.KeysAlways {
			t.Errorf("the configuration is\n%s", object.Data["cartrita.yaml"])
		}
	}
	for kind, want := range map[string]int{"StatefulSet": 1, "Service": 2, "ConfigMap": 1, "PodDisruptionBudget": 1, "ServiceMonitor": 1} {
		if kinds[kind] != want {
			t.Errorf("%d of kind %s, want %d", kinds[kind], kind, want)
		}
	}
	for _, bad := range []string{"replicas=0", "config.store=memory", "nonsense=1"} {
		if out, err := exec.CommandContext(t.Context(), command, "template", "test", dir+"chart", "--kube-version", "1.30.0", "--set", bad).CombinedOutput(); err == nil {
			t.Errorf("%s is accepted:\n%.200s", bad, out)
		}
	}
}
