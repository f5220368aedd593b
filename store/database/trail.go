package database

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/budget"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/store/archive"
)

// change makes the change of an audit trail. What is large, or none of a
// reader's business, stands there as the digest of the stored document.
func change(action audit.Action, object string, detail map[string]any) audit.Change {
	doc, err := json.Marshal(detail)
	if err != nil {
		panic("database: texts and documents cannot be written as JSON: " + err.Error()) // they always can
	}
	return audit.Change{Action: action, Object: object, Detail: doc}
}

func digest(doc []byte) string {
	sum := sha256.Sum256(doc)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ModelChanges are the changes that versions of models are.
func ModelChanges(versions []registry.Version) []audit.Change {
	out := make([]audit.Change, len(versions))
	for i := range versions {
		v := &versions[i]
		fields := make([]string, len(v.Diff))
		for j := range v.Diff {
			fields[j] = v.Diff[j].Path
		}
		out[i] = change(audit.Action("model."+v.Action), string(v.ID), map[string]any{"version": v.Number, "record": digest(v.Doc), "fields": fields})
	}
	return out
}

// KeyChange is what was done to a key; before is nil for a new one.
func KeyChange(k *key.Stored, before []byte) audit.Change {
	var was, is key.Key
	_ = json.Unmarshal(before, &was) // what cannot be read says nothing
	_ = json.Unmarshal(k.Doc, &is)
	action := audit.KeyChanged
	detail := map[string]any{"version": k.Number, "name": is.Name, "role": is.Role, "after": digest(k.Doc)}
	switch {
	case before == nil:
		action = audit.KeyCreated
	case was.Revoked.IsZero() && !is.Revoked.IsZero():
		action = audit.KeyRevoked
	case !is.Rotated.Equal(was.Rotated):
		action = audit.KeyRotated
	}
	if before != nil {
		detail["before"] = digest(before)
	}
	return change(action, string(k.ID), detail)
}

// Documents are things of which each has a name and one document, whole on the
// audit trail.
type Documents struct {
	Table          string
	saved, deleted audit.Action
}

// The documents whose changes are on the trail.
var (
	Budgets    = Documents{"budgets", audit.BudgetSaved, audit.BudgetDeleted}
	AlertRules = Documents{"alert_rules", audit.RuleSaved, audit.RuleDeleted}
)

// Change is one that was saved, or deleted where after is nil; before is nil for
// a new one.
func (d *Documents) Change(name string, before, after []byte) audit.Change {
	action, detail := d.saved, map[string]any{}
	if after == nil {
		action = d.deleted
	} else {
		detail["after"] = json.RawMessage(after)
	}
	if before != nil {
		detail["before"] = json.RawMessage(before)
	}
	return change(action, name, detail)
}

// OverrideChange is an override of a budget.
func OverrideChange(o *budget.SavedOverride) audit.Change {
	return change(audit.BudgetOverridden, string(o.Budget), map[string]any{"override": &o.Override})
}

// ReleaseChange is what a gateway held of budgets and no longer does.
func ReleaseChange(spool string) audit.Change {
	return change(audit.LeaseReleased, spool, map[string]any{})
}

// configObject is what the trail calls the one shared configuration.
const configObject = "shared configuration"

// ConfigChange is a version of the shared configuration.
func ConfigChange(c *cluster.Configuration) audit.Change {
	return change(audit.ConfigPushed, configObject, map[string]any{"version": c.Version, "document": digest([]byte(c.Document))})
}

// RebuildChange are sums that were replaced by those of the calls.
func RebuildChange(a *Audit) audit.Change {
	return change(audit.SumsRebuilt, "sums", map[string]any{"cost_rows": a.SumsDiffer, "budget_rows": a.SpendsDiffer})
}

// ArchiveChange are calls that left the store.
func ArchiveChange(m *archive.Move) audit.Change {
	return change(audit.CallsArchived, m.Day, map[string]any{"calls": m.Calls, "sha256": m.SHA256})
}
