package cartrita

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/catalogue"
)

// shelf is a history that keeps fleets, or fails to.
type shelf struct {
	event.History
	docs map[uint64][]byte
	err  error
}

func (s *shelf) SaveFleet(_ context.Context, id uint64, doc []byte) error {
	if s.err == nil {
		s.docs[id] = doc
	}
	return s.err
}

func snapshot(t *testing.T, endpoints ...model.Endpoint) *registry.Snapshot {
	t.Helper()
	reg := registry.New(registry.Config{Catalogue: func() (*catalogue.Catalogue, error) { return &catalogue.Catalogue{}, nil }})
	if err := reg.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := reg.SetEndpoints(endpoints, []model.Model{{ID: "m", Provider: "p", Tasks: []model.Task{model.TaskChat}}}); err != nil {
		t.Fatal(err)
	}
	return reg.Snapshot()
}

// A fleet names no address and no credential, and is the same for the same
// content, whatever the number of the snapshot.
func TestFleetHoldsWhatDecisionsReadAndNoMore(t *testing.T) {
	end := model.Endpoint{ID: "p/m", Provider: "p", Kind: model.ProviderOpenAI, BaseURL: "http://10.1.2.3:80/v1", Credential: "env:SECRET_NAME", Ready: true, Model: "m", Upstream: "m"}
	a, err := newFleet(snapshot(t, end))
	if err != nil {
		t.Fatal(err)
	}
	if doc := string(a.doc); strings.Contains(doc, "10.1.2.3") || strings.Contains(doc, "SECRET_NAME") || !strings.Contains(doc, `"p/m"`) {
		t.Errorf("the fleet is %s", doc)
	}
	b, err := newFleet(snapshot(t, end))
	if err != nil || a.id != b.id {
		t.Errorf("the same endpoints are %x and %x, %v", a.id, b.id, err)
	}
	end.Ready = false
	if c, err := newFleet(snapshot(t, end)); err != nil || c.id == a.id {
		t.Errorf("other endpoints have the same id, %v", err)
	}
}

// A store that does not take the fleet is asked again, not with every call.
func TestFleetIsKeptWhenTheStoreIsBack(t *testing.T) {
	now := time.Unix(1000, 0)
	var said bytes.Buffer
	kept := &shelf{docs: map[uint64][]byte{}, err: errors.New("away")}
	s := &Service{history: kept, now: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(&said, nil))}
	f := &fleet{id: 5, doc: []byte("{}")}
	s.keepFleet(f)
	kept.err = nil
	s.keepFleet(f)
	if len(kept.docs) != 0 || f.saved.Load() || strings.Count(said.String(), "not stored") != 1 {
		t.Errorf("asked again at once: %v\n%s", kept.docs, &said)
	}
	now = now.Add(fleetRetry)
	s.keepFleet(f)
	if string(kept.docs[5]) != "{}" || !f.saved.Load() {
		t.Errorf("after a while: %v", kept.docs)
	}
}

func TestFingerprints(t *testing.T) {
	long := bytes.Repeat([]byte("abcdefgh"), prefixBytes/8)
	whole, prefix := fingerprint(1, append(bytes.Clone(long), 'x'))
	other, same := fingerprint(1, append(bytes.Clone(long), 'y'))
	if whole == other || prefix != same || prefix == 0 || whole == prefix {
		t.Errorf("prompts that begin alike: %x %x, %x %x", whole, prefix, other, same)
	}
	if again, _ := fingerprint(1, append(bytes.Clone(long), 'x')); again != whole {
		t.Error("equal prompts differ")
	}
	if seeded, _ := fingerprint(2, append(bytes.Clone(long), 'x')); seeded == whole {
		t.Error("another installation has the same fingerprints")
	}
	if short, prefix := fingerprint(1, []byte("short")); short == 0 || prefix != 0 {
		t.Errorf("a short prompt: %x, %x", short, prefix)
	}
	if whole, prefix := fingerprint(1, nil); whole != 0 || prefix != 0 {
		t.Errorf("no prompt: %x, %x", whole, prefix)
	}
}

func BenchmarkFingerprint(b *testing.B) {
	prompt := bytes.Repeat([]byte("abcdefgh"), 512)
	for b.Loop() {
		fingerprint(1, prompt[:1000])
	}
}
