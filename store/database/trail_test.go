package database

import (
	"slices"
	"testing"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/registry"
)

// What versions of models are can be asked for.
func TestActionsOfModelsAreKnown(t *testing.T) {
	for _, a := range []registry.Action{registry.ActionAdd, registry.ActionEdit, registry.ActionImport, registry.ActionRetire} {
		c := ModelChanges([]registry.Version{{Action: a}})[0]
		if !slices.Contains(audit.Actions(), c.Action) {
			t.Errorf("%s is none of %v", c.Action, audit.Actions())
		}
	}
}
