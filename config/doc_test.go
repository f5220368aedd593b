package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The table of settings in the documentation is generated from the types, so
// that it can neither miss a setting nor state another default.
func TestDocumentationIsCurrent(t *testing.T) {
	const file = "../docs/CONFIGURATION.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "-update -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- end of settings -->")
	if !ok || !ok2 {
		t.Fatal("the marks around the table of settings are gone")
	}
	want := before + "-update -->\n" + settingsTable(t) + "<!-- end of settings -->" + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("%s is not current; run go test ./config -update", file)
	}
}

func settingsTable(t *testing.T) string {
	g := newGenerator(t)
	bracket := regexp.MustCompile(` \[([^\]]+)\]$`)
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range settings() {
		text, def := g.describe(s.path), ""
		if m := bracket.FindStringSubmatch(text); m != nil {
			text, def = strings.TrimSuffix(text, m[0]), "`"+m[1]+"`"
		}
		if needsRestart(s.path) {
			text += " *restart*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.path, def, strings.ReplaceAll(text, "|", "\\|"))
	}
	return b.String()
}
