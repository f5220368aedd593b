package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ alert.Store = (*Store)(nil)

// alerts are what the store keeps of alerts.
type alerts struct {
	rules      map[string]alert.Rule
	samples    map[alert.SampleKey]alert.Sample
	states     map[alert.StateKey]alert.State
	incidents  map[string]alert.Incident
	deliveries map[string]alert.Delivery
}

// AlertRules implements alert.Store.
func (s *Store) AlertRules(context.Context) ([]alert.Rule, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sorted(s.alerts.rules, func(a, b alert.Rule) int { return cmp.Compare(a.Name, b.Name) }), nil
}

func sorted[K comparable, V any](m map[K]V, order func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(m), order)
}

// put adds to a map that may not be there yet.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// SaveAlertRule implements alert.Store.
func (s *Store) SaveAlertRule(ctx context.Context, r alert.Rule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.ruleDocument(r.Name)
	if err != nil {
		return err
	}
	after, err := json.Marshal(r)
	if err != nil {
		return err
	}
	put(&s.alerts.rules, r.Name, r)
	s.record(ctx, "", database.AlertRules.Change(r.Name, before, after))
	return nil
}

// ruleDocument returns the document of a rule; nil when there is none.
func (s *Store) ruleDocument(name string) ([]byte, error) {
	if r, there := s.alerts.rules[name]; there {
		return json.Marshal(r)
	}
	return nil, nil
}

// DeleteAlertRule implements alert.Store.
func (s *Store) DeleteAlertRule(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.ruleDocument(name)
	if err != nil {
		return err
	}
	if before == nil {
		return model.Errorf("memory.DeleteAlertRule", model.KindNotFound, "no alert rule %q was created", name)
	}
	delete(s.alerts.rules, name)
	s.record(ctx, "", database.AlertRules.Change(name, before, nil))
	return nil
}

// SaveSamples implements alert.Store.
func (s *Store) SaveSamples(_ context.Context, samples []alert.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range samples {
		put(&s.alerts.samples, samples[i].Key(), samples[i])
	}
	return nil
}

// Samples implements alert.Store.
func (s *Store) Samples(_ context.Context, rule, version string, since time.Time) (out []alert.Sample, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, p := range s.alerts.samples {
		if k.Rule == rule && k.Version == version && !p.At.Before(since) {
			out = append(out, p)
		}
	}
	return out, nil
}

// ForgetSamples implements alert.Store. Nobody else can lead.
func (s *Store) ForgetSamples(_ context.Context, _ int64, rule string, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.alerts.samples, func(_ alert.SampleKey, p alert.Sample) bool {
		return (rule == "" || p.Rule == rule) && p.At.Before(before)
	})
	return nil
}

// AlertBoard implements alert.Store.
func (s *Store) AlertBoard(context.Context) (*alert.Board, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	queue := sorted(s.alerts.deliveries, func(a, b alert.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return &alert.Board{
		States: sorted(s.alerts.states, func(a, b alert.State) int {
			return cmp.Or(cmp.Compare(a.Rule.Name, b.Rule.Name), cmp.Compare(a.Subject, b.Subject))
		}),
		Queue: slices.DeleteFunc(queue, func(d alert.Delivery) bool { return d.State != alert.Waiting }),
	}, nil
}

// SaveAlerts implements alert.Store.
func (s *Store) SaveAlerts(_ context.Context, _ int64, c alert.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range c.Gone {
		delete(s.alerts.states, k)
	}
	for _, st := range c.States {
		put(&s.alerts.states, st.Key(), st)
	}
	for _, n := range c.Incidents {
		put(&s.alerts.incidents, n.Incident, n)
	}
	for _, d := range c.Deliveries {
		put(&s.alerts.deliveries, d.ID, d)
	}
	return nil
}

// LogDelivery implements alert.Store.
func (s *Store) LogDelivery(_ context.Context, d alert.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.alerts.deliveries, d.ID, d)
	return nil
}

// Incidents implements alert.Store.
func (s *Store) Incidents(_ context.Context, rule string, limit int) ([]alert.Incident, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := sorted(s.alerts.incidents, func(a, b alert.Incident) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(b.Incident, a.Incident))
	})
	out = slices.DeleteFunc(out, func(n alert.Incident) bool { return rule != "" && n.Rule != rule })
	return out[:min(len(out), limit)], nil
}

// Deliveries implements alert.Store.
func (s *Store) Deliveries(_ context.Context, channel string, limit int) ([]alert.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := sorted(s.alerts.deliveries, func(a, b alert.Delivery) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	out = slices.DeleteFunc(out, func(d alert.Delivery) bool { return channel != "" && d.Channel != channel })
	return out[:min(len(out), limit)], nil
}

// ForgetAlerts implements alert.Store.
func (s *Store) ForgetAlerts(_ context.Context, _ int64, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := func(t time.Time) bool { return !t.IsZero() && t.Before(before) }
	maps.DeleteFunc(s.alerts.deliveries, func(_ string, d alert.Delivery) bool { return over(d.Ended) })
	maps.DeleteFunc(s.alerts.incidents, func(_ string, n alert.Incident) bool { return over(n.Until) })
	return nil
}
