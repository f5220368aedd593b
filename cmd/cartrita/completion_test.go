package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	b := newBench(t, mockSection(t))
	b.serve()
	for _, c := range []struct {
		words   string // the last one is under the cursor
		want    string // "" for nothing
		without string
	}{
		{"", "serve", "__complete"},
		{"mo", "models", "serve"},
		{"models ", "import", "serve"},
		{"models list --prov", "--provider", "--status"},
		{"chat --model auto:b", "auto:balanced", "box/atlas-large"},
		{"chat -m box/a", "box/atlas-large", "box/pebble-nano"},
		{"select --strategy s", "speed-first", "balanced"},
		{"select --task emb", "embeddings", ""},
		{"select --feature vi", "vision", ""},
		{"select hello --max-risk l", "low", "high"},
		{"events --endpoint box/p", "box/pebble-nano", ""},
		{"models show box/atlas", "box/atlas-large", ""},
		{"models import --format ", "litellm", ""},
		{"completion z", "zsh", "bash"},
		{"schema ", "config", ""},
		{"explain ", "last", ""},
		{"events t", "tail", ""},
		{"chat --max-tokens ", "", ""},
	} {
		var out bytes.Buffer
		a := &app{ctx: t.Context(), out: &out, environ: []string{"CARTRITA_CONFIG=" + b.config, "CARTRITA_DATA=" + b.data}}
		a.run(append([]string{completeCommand}, strings.Split(c.words, " ")...))
		got := strings.Fields(out.String())
		if c.want != "" && !slices.Contains(got, c.want) || c.want == "" && len(got) > 0 || c.without != "" && slices.Contains(got, c.without) {
			t.Errorf("%q suggests %v, want %q and not %q", c.words, got, c.want, c.without)
		}
	}
}

// Without a gateway nothing is started for a suggestion.
func TestCompletionStartsNothing(t *testing.T) {
	b := newBench(t, "")
	var out bytes.Buffer
	a := &app{ctx: t.Context(), out: &out, environ: []string{"CARTRITA_CONFIG=" + b.config, "CARTRITA_DATA=" + b.data}}
	a.run([]string{completeCommand, "models", "show", "open"})
	if out.Len() > 0 || fileExists(b.data) {
		t.Errorf("suggested %q; data directory made: %v", out.String(), fileExists(b.data))
	}
}

func TestCompletionScripts(t *testing.T) {
	b := newBench(t, "")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script := b.ok("completion", shell)
		if !strings.Contains(script, completeCommand) {
			t.Errorf("%s: %s", shell, script)
		}
		path, err := exec.LookPath(shell)
		if err != nil || shell == "powershell" {
			continue // not installed here
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not understand its script: %v\n%s", shell, err, out)
		}
	}
}

// Bash asks for the words before the cursor and gets back what follows the
// last colon, where it would begin to replace.
func TestBashCompletionOfColons(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	for line, want := range map[string]string{
		"cartrita chat -m auto:b": "asked: __complete chat -m auto:b|balanced",
		"cartrita chat ":          "asked: __complete chat |auto:balanced",
	} {
		script := completionScripts["bash"] + `
cartrita() { IFS=' '; echo "asked: $*" >"$ASKED"; echo auto:balanced; }
COMP_LINE="$1" COMP_POINT=${#1}
_cartrita
echo "${COMPREPLY[0]}"
`
		asked := filepath.Join(t.TempDir(), "asked")
		cmd := exec.Command(bash, "-c", script, "bash", line)
		cmd.Env = append(os.Environ(), "ASKED="+asked)
		out, err := cmd.Output()
		said, _ := os.ReadFile(asked)
		if got := strings.TrimRight(string(said), "\n") + "|" + strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: got %q, want %q, %v", line, got, want, err)
		}
	}
}
