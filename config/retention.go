package config

import "time"

// Retention says how long calls stay in the store. What they cost stays known.
type Retention struct {
	// How long calls stay with their documents: 1d or more, in whole days (UTC). Sums of costs and budgets always stay. [for ever]
	Calls Duration `json:"calls,omitzero"`
	// Folder that calls are written to before they leave the store, one compressed file a day. Made if missing.
	Archive string `json:"archive,omitempty"`
	// Let calls go without an archive: they are lost. [false]
	Drop bool `json:"drop,omitempty"`
}

func (v *validator) retention() {
	r := &v.c.Retention
	switch {
	case r.Calls != 0 && r.Calls < Duration(24*time.Hour):
		v.problem("retention.calls", "%s: want 1d or more", r.Calls)
	case r.Calls != 0 && v.c.Store == StoreMemory && v.read("store"):
		v.problem("retention.calls", "the store memory keeps the latest calls only: leave it out")
	case r.Calls != 0 && r.Archive == "" && !r.Drop && v.read("retention.archive") && v.read("retention.drop"):
		v.problem("retention.archive", "is missing; want the folder that calls go to, or drop: true to lose them")
	}
	if r.Archive != "" && r.Drop {
		v.problem("retention.drop", "calls go to the archive or are lost: leave archive out or drop")
	}
}
