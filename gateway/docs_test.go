package gateway

import (
	"os"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// TestTheDocumentationNamesEverything keeps docs/API.md in step with the code.
func TestTheDocumentationNamesEverything(t *testing.T) {
	raw, err := os.ReadFile("../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	w, _, _ := withPrompts(t, nil, withBudgets(t))
	charge(t, w, 1) // so that there is something to measure
	w.prompts.count(promptEmbedded, "")
	names := []string{headerCallID, headerModel, headerCost, headerEstimated, headerAttempts, headerOverhead, headerError}
	for _, path := range w.routes.paths() {
		names = append(names, strings.TrimSuffix(path, "{id}"))
	}
	for _, h := range headerNames {
		if strings.Contains(doc, "`"+strings.TrimPrefix(h, "X-Cartrita")+"`") { // listed as -Session and so on
			continue
		}
		names = append(names, h)
	}
	for _, o := range owned {
		names = append(names, "`"+o+"`")
	}
	for k := model.KindInternal; k <= model.KindTimeout; k++ {
		if k != model.KindCanceled { // nobody is there to read it
			names = append(names, "`"+k.String()+"`", "`"+errorTypes[k]+"`")
		}
	}
	for _, line := range strings.Split(text(t, w.do("GET", "/metrics", "")), "\n") {
		if name, ok := strings.CutPrefix(line, "# HELP cartrita_"); ok {
			name, _, _ = strings.Cut(name, " ")
			names = append(names, "cartrita_"+name)
		}
	}
	for _, name := range names {
		if !strings.Contains(doc, name) {
			t.Errorf("docs/API.md does not name %s", name)
		}
	}
}

func TestEveryKindIsWorded(t *testing.T) {
	for k := model.KindInternal; k <= model.KindTimeout; k++ {
		if errorTypes[k] == "" || messageOf(&model.Error{Kind: k}, "id-1") == "" {
			t.Errorf("%s has no type or no message", k)
		}
	}
}
