package archtest

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestImportsGoOneWay(t *testing.T) {
	bad, err := Check(os.DirFS("../.."), Rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bad {
		t.Error(b)
	}
}

// The check finds what it is for.
func TestCheckFindsForbiddenImports(t *testing.T) {
	for name, c := range map[string]struct{ file, imports, want string }{
		"domain to domain":           {"route/x.go", "health", "route/x.go:2: route may not import health"},
		"domain to its own":          {"registry/x.go", "registry/catalogue", ""},
		"domain's parts":             {"registry/importer/x.go", "registry/catalogue", ""},
		"domain to vocabulary":       {"cost/x.go", "model", ""},
		"domain to plumbing":         {"cost/x.go", "internal/sse", ""},
		"domain to root":             {"cost/x.go", ".", "cost/x.go:2: cost may not import ."},
		"vocabulary to domain":       {"model/x.go", "route", "model/x.go:2: model may not import route"},
		"gateway to store":           {"gateway/x.go", "store/sqlite", "gateway/x.go:2: gateway may not import store/sqlite"},
		"gateway to root":            {"gateway/x.go", ".", ""},
		"vendor to vendor's base":    {"provider/openai/x.go", "provider", ""},
		"contract to vendor":         {"provider/x.go", "provider/openai", ""},
		"root to vendor":             {"x.go", "provider/openai", "x.go:2: . may not import provider/openai"},
		"root to domain":             {"x.go", "route", ""},
		"store to domain":            {"store/sqlite/x.go", "event", ""},
		"store to gateway":           {"store/sqlite/x.go", "gateway", "store/sqlite/x.go:2: store/sqlite may not import gateway"},
		"product to mock":            {"x.go", "mock", "x.go:2: . may not import mock"},
		"test to mock":               {"x_test.go", "mock", ""},
		"test to command":            {"route/x_test.go", "cmd/cartrita", "route/x_test.go:2: route may not import cmd/cartrita"},
		"command to everything":      {"cmd/cartrita/x.go", "store/sqlite", ""},
		"plumbing to domain":         {"internal/sse/x.go", "event", "internal/sse/x.go:2: internal/sse may not import event"},
		"package without a place":    {"helpers/x.go", "model", "helpers/x.go: the package helpers has no place in the rules"},
		"test data is nobody's code": {"route/testdata/x.go", "gateway", ""},
	} {
		path := Module
		if c.imports != "." {
			path += "/" + c.imports
		}
		root := fstest.MapFS{c.file: {Data: []byte("package x\nimport \"" + path + "\"\n")}}
		bad, err := Check(root, Rules)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(bad, "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
