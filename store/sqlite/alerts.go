package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ alert.Store = (*Store)(nil)

// AlertRules implements alert.Store.
func (s *Store) AlertRules(ctx context.Context) ([]alert.Rule, error) {
	return documents[alert.Rule](ctx, s, "sqlite.AlertRules", `SELECT doc FROM alert_rules ORDER BY name`)
}

// SaveAlertRule implements alert.Store.
func (s *Store) SaveAlertRule(ctx context.Context, r alert.Rule) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.saveDocument(ctx, "sqlite.SaveAlertRule", &database.AlertRules, r.Name, doc)
}

// DeleteAlertRule implements alert.Store.
func (s *Store) DeleteAlertRule(ctx context.Context, name string) error {
	const op = "sqlite.DeleteAlertRule"
	return s.deleteDocument(ctx, op, &database.AlertRules, name, model.Errorf(op, model.KindNotFound, "no alert rule %q was created", name))
}

// SaveSamples implements alert.Store.
func (s *Store) SaveSamples(ctx context.Context, samples []alert.Sample) error {
	docs := make([]string, len(samples))
	for i := range samples {
		doc, err := json.Marshal(samples[i].Sum)
		if err != nil {
			return err
		}
		docs[i] = string(doc)
	}
	return s.change(ctx, "sqlite.SaveSamples", func(exec execer) error {
		for i := range samples {
			p := &samples[i]
			if err := exec(`INSERT INTO alert_samples (rule, version, at, subject, gateway, sum) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET sum = excluded.sum`, p.Rule, p.Version, p.At.UnixMicro(), p.Subject, p.Gateway, docs[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Samples implements alert.Store.
func (s *Store) Samples(ctx context.Context, rule, version string, since time.Time) ([]alert.Sample, error) {
	const op = "sqlite.Samples"
	rows, err := s.read.QueryContext(ctx, `SELECT at, subject, gateway, sum FROM alert_samples WHERE rule = ? AND version = ? AND at >= ?`,
		rule, version, since.UnixMicro())
	if err != nil {
		return nil, failure(op, err)
	}
	defer rows.Close()
	var out []alert.Sample
	for rows.Next() {
		p := alert.Sample{Rule: rule, Version: version}
		var at int64
		var sum []byte
		if err := rows.Scan(&at, &p.Subject, &p.Gateway, &sum); err != nil {
			return nil, failure(op, err)
		}
		if err := json.Unmarshal(sum, &p.Sum); err != nil {
			return nil, unavailable(op, "a stored document cannot be read", err)
		}
		p.At = time.UnixMicro(at).UTC()
		out = append(out, p)
	}
	return out, failure(op, rows.Err())
}

// ForgetSamples implements alert.Store. One process has the file: it leads.
func (s *Store) ForgetSamples(ctx context.Context, _ int64, rule string, before time.Time) error {
	return s.exec(ctx, "sqlite.ForgetSamples", `DELETE FROM alert_samples WHERE at < ?1 AND (?2 = '' OR rule = ?2)`, before.UnixMicro(), rule)
}

// AlertBoard implements alert.Store.
func (s *Store) AlertBoard(ctx context.Context) (*alert.Board, error) {
	const op = "sqlite.AlertBoard"
	states, err := documents[alert.State](ctx, s, op, `SELECT doc FROM alert_states ORDER BY rule, subject`)
	if err != nil {
		return nil, err
	}
	queue, err := documents[alert.Delivery](ctx, s, op, `SELECT doc FROM alert_deliveries WHERE state = 'waiting' ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return &alert.Board{States: states, Queue: queue}, nil
}

// SaveAlerts implements alert.Store.
func (s *Store) SaveAlerts(ctx context.Context, _ int64, c alert.Change) error {
	return s.change(ctx, "sqlite.SaveAlerts", func(exec execer) error {
		for _, k := range c.Gone {
			if err := exec(`DELETE FROM alert_states WHERE rule = ? AND subject = ?`, k.Rule, k.Subject); err != nil {
				return err
			}
		}
		for i := range c.States {
			if err := saveAlertState(exec, &c.States[i]); err != nil {
				return err
			}
		}
		for i := range c.Incidents {
			if err := saveIncident(exec, &c.Incidents[i]); err != nil {
				return err
			}
		}
		for i := range c.Deliveries {
			if err := saveDelivery(exec, &c.Deliveries[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func saveAlertState(exec execer, st *alert.State) error {
	doc, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return exec(`INSERT INTO alert_states (rule, subject, doc) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc`,
		st.Rule.Name, st.Subject, string(doc))
}

func saveIncident(exec execer, n *alert.Incident) error {
	doc, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return exec(`INSERT INTO alerts (incident, rule, type, severity, subject, fired, resolved, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET resolved = excluded.resolved, doc = excluded.doc`,
		n.Incident, n.Rule, string(n.Type), string(n.Severity), n.Subject, n.Since.UnixMicro(), microsOrNull(n.Until), string(doc))
}

func saveDelivery(exec execer, d *alert.Delivery) error {
	doc, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return exec(`INSERT INTO alert_deliveries (id, channel, state, at, ended, doc) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET state = excluded.state, ended = excluded.ended, doc = excluded.doc`,
		d.ID, d.Channel, string(d.State), d.At.UnixMicro(), microsOrNull(d.Ended), string(doc))
}

func microsOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// LogDelivery implements alert.Store.
func (s *Store) LogDelivery(ctx context.Context, d alert.Delivery) error {
	return s.change(ctx, "sqlite.LogDelivery", func(exec execer) error { return saveDelivery(exec, &d) })
}

// Incidents implements alert.Store.
func (s *Store) Incidents(ctx context.Context, rule string, limit int) ([]alert.Incident, error) {
	return documents[alert.Incident](ctx, s, "sqlite.Incidents",
		`SELECT doc FROM alerts WHERE ?1 = '' OR rule = ?1 ORDER BY fired DESC, incident DESC LIMIT ?2`, rule, limit)
}

// Deliveries implements alert.Store.
func (s *Store) Deliveries(ctx context.Context, channel string, limit int) ([]alert.Delivery, error) {
	return documents[alert.Delivery](ctx, s, "sqlite.Deliveries",
		`SELECT doc FROM alert_deliveries WHERE ?1 = '' OR channel = ?1 ORDER BY at DESC, id DESC LIMIT ?2`, channel, limit)
}

// ForgetAlerts implements alert.Store.
func (s *Store) ForgetAlerts(ctx context.Context, _ int64, before time.Time) error {
	return s.change(ctx, "sqlite.ForgetAlerts", func(exec execer) error {
		if err := exec(`DELETE FROM alert_deliveries WHERE ended < ?`, before.UnixMicro()); err != nil {
			return err
		}
		return exec(`DELETE FROM alerts WHERE resolved < ?`, before.UnixMicro())
	})
}
