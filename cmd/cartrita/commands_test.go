package main

import (
	"os"
	"strings"
	"testing"
)

// The command list of the documentation has every command with its subcommands.
func TestEveryCommandIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(doc)) {
		if rest, ok := strings.CutPrefix(line, "cartrita "); ok {
			name, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			listed[name] = rest
		}
	}
	var root cli
	parser, err := new(app).parser(&root, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		line, ok := listed[command.Name]
		if !ok && !command.Hidden {
			t.Errorf("cartrita %s is not listed", command.Name)
			continue
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" |[]\n", r) })
		has := map[string]bool{}
		for _, w := range words {
			has[w] = true
		}
		for _, sub := range command.Children {
			if !has[sub.Name] && !sub.Hidden && sub != command.DefaultCmd {
				t.Errorf("cartrita %s %s is not listed", command.Name, sub.Name)
			}
		}
	}
}
