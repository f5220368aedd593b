// Package archtest answers whether the packages of this module import each
// other in the one direction that the house allows:
//
//	cmd → gateway, store, provider/… → cartrita (root) → domains → model
//
// Check parses the imports of every Go file below a file system; nothing is
// compiled or run. Files of tests may import more (fakes, mock servers), but
// never a command.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/cartrita/cartrita"

// Rule says what the package at Path and those below it may import of this
// module, besides what lies below themselves. Allow is written as Go's own
// patterns: "x" is one package, "x/..." also all below it, "." the root; "*" is
// everything.
type Rule struct {
	Path  string
	Allow []string
}

// Rules are the rules of the house. The one with the longest path applies; a
// package that matches none has to be given its place here.
var Rules = []Rule{
	{"internal", []string{"internal/..."}},
	{"internal/prompt", []string{"internal/...", "model"}},
	{"internal/send", []string{"internal/...", "model"}},
	{"model", []string{"internal/..."}},

	{"registry", []string{"registry/...", "hub/...", "model", "internal/..."}},
	{"route", []string{"model", "internal/..."}},
	{"cost", []string{"model", "internal/..."}},
	{"health", []string{"model", "internal/..."}},
	{"event", []string{"model", "internal/..."}},
	{"cluster", []string{"model", "internal/..."}},
	{"alert", []string{"model", "internal/..."}},
	{"sink", []string{"sink/...", "event", "model", "internal/..."}},
	{"notify", []string{"notify/...", "alert", "model", "internal/..."}},
	{"budget", []string{"model", "internal/..."}},
	{"key", []string{"model", "internal/..."}},
	{"audit", []string{"model", "internal/..."}},
	{"limit", []string{"model", "internal/..."}},
	{"hub", []string{"registry/...", "model", "internal/..."}},
	{"provider", []string{"provider/...", "model", "internal/..."}},
	{"config", []string{"model", "internal/..."}},
	{"mock", []string{"model", "internal/..."}}, // records and prices for a registry; never a provider

	{".", []string{"registry/...", "route/...", "cost/...", "health/...", "event", "budget", "key", "limit", "cluster", "alert", "provider", "model", "internal/..."}},
	{"store", []string{"store/...", "registry/...", "event", "audit", "key", "limit", "budget", "cluster", "alert", "health", "model", "internal/..."}},
	{"gateway", []string{".", "registry/...", "event", "audit", "key", "limit", "budget", "alert", "cluster", "model", "internal/..."}},

	{"cmd", []string{"*"}},
	{"test", []string{"*"}},
}

// Check returns every import in the module at root that the rules forbid, as
// "file:line: why", sorted by file.
func Check(root fs.FS, rules []Rule) ([]string, error) {
	var found []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		bad, err := checkFile(root, name, rules)
		found = append(found, bad...)
		return err
	})
	return found, err
}

func checkFile(root fs.FS, name string, rules []Rule) ([]string, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	pkg := path.Dir(name)
	rule, ok := ruleFor(pkg, rules)
	if !ok {
		return []string{name + ": the package " + pkg + " has no place in the rules"}, nil
	}
	var bad []string
	for _, spec := range f.Imports {
		imported, ok := local(spec.Path.Value)
		if !ok || within(imported, pkg) {
			continue
		}
		switch {
		case within(imported, "cmd"):
		case strings.HasSuffix(name, "_test.go"), allowed(imported, rule.Allow):
			continue
		}
		line := files.Position(spec.Pos()).Line
		bad = append(bad, fmt.Sprintf("%s:%d: %s may not import %s", name, line, pkg, imported))
	}
	return bad, nil
}

// local returns the path of an import within the module.
func local(quoted string) (string, bool) {
	p, err := strconv.Unquote(quoted)
	if err != nil {
		return "", false
	}
	if p == Module {
		return ".", true
	}
	return strings.CutPrefix(p, Module+"/")
}

// ruleFor finds the rule with the longest path that is pkg or above it.
func ruleFor(pkg string, rules []Rule) (best Rule, ok bool) {
	for _, r := range rules {
		if within(pkg, r.Path) && (!ok || len(r.Path) > len(best.Path)) {
			best, ok = r, true
		}
	}
	return best, ok
}

func allowed(imported string, allow []string) bool {
	return slices.ContainsFunc(allow, func(a string) bool {
		folder, below := strings.CutSuffix(a, "/...")
		return a == "*" || imported == folder || below && within(imported, folder)
	})
}

// within reports whether the package p is folder or below it.
func within(p, folder string) bool {
	return p == folder || strings.HasPrefix(p, folder+"/")
}
