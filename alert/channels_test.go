package alert_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

func TestAChannelIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "down", "up")
		w.configure(alert.Settings{}, budgetRule())
		w.channels["down"].set(errors.New("connection refused"))
		w.spent("a")
		w.ticks(30 * time.Second)
		w.spent()
		w.ticks(30 * time.Second)
		equal(t, "the one that is up", w.channels["up"].said(), "firing r a", "resolved r a")
		w.leader = 1
		w.channels["down"].set(nil)
		w.ticks(40 * time.Second) // the longest pause is 30 s
		equal(t, "the other, when it is back", w.channels["down"].said(), "firing r a", "resolved r a")
		log, err := w.gateways[2].Deliveries(t.Context(), "down", 10)
		if err != nil || len(log) != 2 || log[0].State != alert.Delivered || log[1].State != alert.Delivered || log[1].Attempts < 4 {
			t.Errorf("the log says %+v, %v", log, err)
		}

		w.channels["down"].set(&model.Error{Kind: model.KindInvalid, Message: "no such recipient"})
		w.spent("b")
		w.ticks(20 * time.Second)
		if log, err = w.gateways[0].Deliveries(t.Context(), "down", 1); err != nil || log[0].State != alert.Failed || log[0].Attempts != 1 || log[0].Error != "no such recipient" {
			t.Errorf("what can never be delivered: %+v, %v", log, err)
		}
		w.channels["down"].set(errors.New("away"))
		w.spent("b", "c")
		w.ticks(alert.GiveUp + time.Hour)
		if log, err = w.gateways[0].Deliveries(t.Context(), "down", 1); err != nil || log[0].State != alert.Failed || log[0].Attempts < 1000 {
			t.Errorf("what cannot be delivered for a day: %+v, %v", log, err)
		}
	})
}

func TestAChannelNamedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "ops")
		twice := budgetRule(func(r *alert.Rule) { r.Channels = []string{"ops", "ops"} })
		if _, err := alert.CheckRules([]alert.Rule{twice}, []string{"ops"}); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != "[0].channels" {
			t.Errorf("in a configuration: %v", err)
		}
		if _, err := w.gateways[0].SaveRule(t.Context(), twice); model.KindOf(err) != model.KindInvalid || model.AsError(err).Param != "channels" {
			t.Errorf("over the API: %v", err)
		}

		w.configure(alert.Settings{})
		kept, err := budgetRule().Complete()
		if err != nil {
			t.Fatal(err)
		}
		kept.Channels = twice.Channels
		if err := w.store.SaveAlertRule(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		stuck := alert.Delivery{
			Notification: alert.Notification{ID: "0", Event: alert.Firing, Rule: "old", Alerts: []alert.Alert{{Incident: "1"}, {Incident: "1"}}},
			Channel:      "ops", State: alert.Waiting,
		}
		if err := w.store.SaveAlerts(t.Context(), 1, alert.Change{Deliveries: []alert.Delivery{stuck}}); err != nil {
			t.Fatal(err)
		}
		w.spent("a")
		w.tick()
		w.spent()
		w.ticks(10 * time.Second)
		equal(t, "what was stuck, and a rule that was kept", w.channels["ops"].said(), "firing old ", "firing old ", "firing r a", "resolved r a")

		w.configure(alert.Settings{GroupWait: time.Minute})
		w.spent("a")
		w.tick()
		w.spent()
		w.ticks(2 * time.Minute)
		if heard := w.channels["ops"].said(); len(heard) != 4 {
			t.Errorf("what was over before anybody was told: %q", heard)
		}
	})
}

func TestTheChannelsOfARuleChangeWhileItFires(t *testing.T) {
	for name, early := range map[string]bool{"stored now": false, "stored by an earlier version": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "was", "stays", "comes")
				w.configure(alert.Settings{})
				save := func(channels ...string) {
					rule := budgetRule(func(r *alert.Rule) { r.Channels, r.Repeat = channels, model.Duration(time.Hour) })
					if _, err := w.gateways[0].SaveRule(t.Context(), rule); err != nil {
						t.Fatal(err)
					}
				}
				save("was", "stays")
				w.spent("a")
				w.tick()
				if early {
					board, err := w.store.AlertBoard(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					board.States[0].Heard = nil
					if err := w.store.SaveAlerts(t.Context(), 1, alert.Change{States: board.States}); err != nil {
						t.Fatal(err)
					}
				}
				save("stays", "comes")
				w.ticks(time.Hour + time.Minute)
				w.spent()
				w.tick()
				equal(t, "one that was", w.channels["was"].said(), "firing r a", "resolved r a")
				equal(t, "one that stays", w.channels["stays"].said(), "firing r a", "reminder r a", "resolved r a")
				equal(t, "one that comes", w.channels["comes"].said(), "firing r a", "reminder r a", "resolved r a")
				if in, err := w.gateways[0].Incidents(t.Context(), "", 10); err != nil || len(in) != 1 {
					t.Errorf("on record: %+v, %v", in, err)
				}
			})
		})
	}
}

func TestAChannelComesWhileARuleFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.configure(alert.Settings{}, budgetRule())
		w.spent("a")
		w.ticks(10 * time.Second)
		for _, name := range []string{"first", "second"} {
			w.channels[name] = &channel{}
			w.configure(alert.Settings{}, budgetRule())
			w.ticks(10 * time.Second)
			equal(t, name, w.channels[name].said(), "firing r a")
		}
		w.spent()
		w.tick()
		equal(t, "the first in the end", w.channels["first"].said(), "firing r a", "resolved r a")
	})
}

func TestAQueueHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "down")
		w.configure(alert.Settings{}, budgetRule())
		w.channels["down"].set(errors.New("away"))
		for range alert.MaxWaiting {
			w.spent("a")
			w.tick()
			w.spent()
			w.tick()
		}
		board, err := w.gateways[0].Board(t.Context())
		if err != nil || len(board.Queue) != alert.MaxWaiting {
			t.Errorf("%d messages wait, %v", len(board.Queue), err)
		}
		log, err := w.gateways[0].Deliveries(t.Context(), "down", 1)
		if err != nil || log[0].State != alert.Failed || log[0].Attempts != 0 {
			t.Errorf("the latest: %+v, %v", log, err)
		}
	})
}

func TestAChannelIsTried(t *testing.T) {
	w := newWorld(t, "ops")
	w.configure(alert.Settings{})
	d, err := w.gateways[0].TestChannel(t.Context(), "ops")
	if err != nil || d.State != alert.Delivered || len(w.channels["ops"].heard) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	w.channels["ops"].set(errors.New("away"))
	if d, err = w.gateways[0].TestChannel(t.Context(), "ops"); err != nil || d.State != alert.Failed || d.Attempts != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err = w.gateways[0].TestChannel(t.Context(), "opps"); model.KindOf(err) != model.KindNotFound || !strings.HasSuffix(err.Error(), `name "opps": want one of ops`) {
		t.Errorf("%v", err)
	}
	if log, err := w.gateways[0].Deliveries(t.Context(), "ops", 10); err != nil || len(log) != 2 {
		t.Errorf("the log has %+v, %v", log, err)
	}
}
