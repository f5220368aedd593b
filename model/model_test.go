package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestKindsMapToStatusesAndBack(t *testing.T) {
	seen := map[string]bool{}
	for k := range kinds {
		k := Kind(k)
		if k.String() == "" || seen[k.String()] || k.Status() < 400 {
			t.Errorf("kind %d: name %q, status %d", k, k, k.Status())
		}
		seen[k.String()] = true
		b, _ := k.MarshalText()
		var back Kind
		if err := back.UnmarshalText(b); err != nil || back != k {
			t.Errorf("%s came back as %s: %v", k, back, err)
		}
	}
	if Kind(200).Status() != 500 {
		t.Error("an unknown kind is not internal")
	}
	for _, k := range []Kind{KindBudget, KindCanceled, KindInvalid, KindNoCandidate, KindContextLength, KindContentPolicy} {
		if k.EndpointFault() {
			t.Errorf("%s counts against the endpoint", k)
		}
	}
}

func TestErrorsAreFoundThroughWrapping(t *testing.T) {
	cause := errors.New("cause")
	e := &Error{Op: "x.Do", Kind: KindTimeout, Param: "messages[1]", Message: "too slow", Err: cause}
	wrapped := fmt.Errorf("outer: %w", e)
	if KindOf(wrapped) != KindTimeout || AsError(wrapped) != e || !errors.Is(wrapped, cause) {
		t.Error("wrapping hides the error")
	}
	if AsError(nil) != nil || AsError(cause).Kind != KindInternal {
		t.Error("AsError of nil or of an unclassified error")
	}
	if got := e.Error(); got != "x.Do: messages[1]: too slow: cause" {
		t.Errorf("Error() = %q", got)
	}
}

func TestNamesSurviveText(t *testing.T) {
	var task Task
	if err := json.Unmarshal([]byte(`"reranking"`), &task); err != nil || task != TaskReranking {
		t.Errorf("reranking = %v, %v", task, err)
	}
	err := json.Unmarshal([]byte(`"tellepathy"`), &task)
	if err == nil || !strings.Contains(err.Error(), "text-generation") {
		t.Errorf("an unknown task does not name the known ones: %v", err)
	}
	for _, p := range []Priority{PriorityLow, PriorityMedium, PriorityHigh, PriorityCritical} {
		b, _ := p.MarshalText()
		var back Priority
		if err := back.UnmarshalText(b); err != nil || back != p {
			t.Errorf("%s came back as %s: %v", p, back, err)
		}
	}
	if s := Features(FeatureVision, FeatureTools); s.String() != "tools, vision" || s.Missing(Features(FeatureTools, FeatureReasoning)) != Features(FeatureReasoning) {
		t.Errorf("feature set %s", s)
	}
}

func TestUnknownCountIsNotZero(t *testing.T) {
	b, err := json.Marshal(Usage{Input: Known(0), Source: UsageUpstream})
	if err != nil || string(b) != `{"input_tokens":0,"source":"upstream"}` {
		t.Errorf("%s, %v", b, err)
	}
	var u Usage
	if err := json.Unmarshal([]byte(`{"input_tokens":0,"output_tokens":null}`), &u); err != nil || !u.Input.Known || u.Output.Known {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestCallIDs(t *testing.T) {
	a, b := NewCallID(), NewCallID()
	if a.String() >= b.String() {
		t.Errorf("ids do not sort by time: %s, %s", a, b)
	}
	if back, err := ParseCallID(a.String()); err != nil || back != a {
		t.Errorf("%s came back as %s: %v", a, back, err)
	}
	for _, s := range []string{"", "x", "urn:uuid:" + a.String(), strings.ReplaceAll(a.String(), "-", "")} {
		if _, err := ParseCallID(s); err == nil {
			t.Errorf("ParseCallID(%q) is accepted", s)
		}
	}
}
