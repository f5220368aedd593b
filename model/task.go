package model

import (
	"fmt"
	"math/bits"
	"strings"
)

// Task is a kind of work that a model can do.
type Task uint8

// The task types, by the names of the mission.
const (
	TaskTextGeneration Task = iota
	TaskChat
	TaskEmbeddings
	TaskClassification
	TaskSummarization
	TaskTranslation
	TaskCodeGeneration
	TaskImageGeneration
	TaskImageToText
	TaskTextToSpeech
	TaskSpeechToText
	TaskReranking
	TaskSafetyModeration
	TaskVideoGeneration
	TaskAudioGeneration
	taskCount
)

var taskNames = [taskCount]string{
	"text-generation", "chat-completions", "embeddings", "classification", "summarization",
	"translation", "code-generation", "image-generation", "image-to-text", "text-to-speech",
	"speech-to-text", "reranking", "safety-moderation", "video-generation", "audio-generation",
}

// Feature is an ability beyond plain text that a request may need.
type Feature uint8

// The features.
const (
	FeatureTools Feature = iota
	FeatureJSONSchema
	FeatureVision
	FeatureReasoning
	FeaturePromptCaching
	FeatureAudioInput
	FeatureAudioOutput
	FeatureFileInput
	FeatureStreaming
	featureCount
)

var featureNames = [featureCount]string{
	"tools", "json_schema", "vision", "reasoning", "prompt_caching",
	"audio_input", "audio_output", "file_input", "streaming",
}

// Risk is a safety risk level; more is riskier. The zero value is unknown.
type Risk uint8

// The risk levels.
const (
	RiskUnknown Risk = iota
	RiskLow
	RiskMedium
	RiskHigh
	RiskCritical
)

var riskNames = [...]string{"", "low", "medium", "high", "critical"}

// Status is the place of a model in its life.
type Status uint8

// The statuses. Retired models are never routed to; testing and deprecated
// ones only when a call names them.
const (
	StatusActive Status = iota
	StatusTesting
	StatusDeprecated
	StatusRetired
)

var statusNames = [...]string{"active", "testing", "deprecated", "retired"}

// Architecture is the architectural type of a model. The zero value is unknown.
type Architecture uint8

// The architectural types.
const (
	ArchUnknown Architecture = iota
	ArchDecoder
	ArchEncoderDecoder
	ArchEncoder
	ArchMoE
)

var archNames = [...]string{"", "decoder", "encoder-decoder", "encoder", "mixture-of-experts"}

// Priority orders calls when an endpoint is busy. The zero value is medium.
type Priority int8

// The priorities.
const (
	PriorityLow      Priority = -1
	PriorityMedium   Priority = 0
	PriorityHigh     Priority = 1
	PriorityCritical Priority = 2
)

var priorityNames = [...]string{"low", "medium", "high", "critical"}

// parseName finds s in names; what names the set in the error.
func parseName(what string, names []string, s string) (int, error) {
	var known []string
	for i, n := range names {
		if n == s && n != "" {
			return i, nil
		}
		if n != "" {
			known = append(known, n)
		}
	}
	return 0, fmt.Errorf("unknown %s %q: want one of %s", what, s, strings.Join(known, ", "))
}

// ParseTask reads a task type by name.
func ParseTask(s string) (Task, error) {
	i, err := parseName("task type", taskNames[:], s)
	return Task(i), err
}

// String returns the name of the task type.
func (t Task) String() string { return taskNames[t] }

// MarshalText implements encoding.TextMarshaler.
func (t Task) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Task) UnmarshalText(b []byte) (err error) { *t, err = ParseTask(string(b)); return err }

// ParseFeature reads a feature by name.
func ParseFeature(s string) (Feature, error) {
	i, err := parseName("feature", featureNames[:], s)
	return Feature(i), err
}

// String returns the name of the feature.
func (f Feature) String() string { return featureNames[f] }

// MarshalText implements encoding.TextMarshaler.
func (f Feature) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Feature) UnmarshalText(b []byte) (err error) { *f, err = ParseFeature(string(b)); return err }

// String returns the name of the level, "" when unknown.
func (r Risk) String() string { return riskNames[r] }

// MarshalText implements encoding.TextMarshaler.
func (r Risk) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Risk) UnmarshalText(b []byte) error {
	i, err := parseName("risk level", riskNames[:], string(b))
	*r = Risk(i)
	return err
}

// String returns the name of the status.
func (s Status) String() string { return statusNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(b []byte) error {
	i, err := parseName("status", statusNames[:], string(b))
	*s = Status(i)
	return err
}

// String returns the name of the type, "" when unknown.
func (a Architecture) String() string { return archNames[a] }

// MarshalText implements encoding.TextMarshaler.
func (a Architecture) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Architecture) UnmarshalText(b []byte) error {
	i, err := parseName("architectural type", archNames[:], string(b))
	*a = Architecture(i)
	return err
}

// String returns the name of the priority.
func (p Priority) String() string { return priorityNames[p+1] }

// MarshalText implements encoding.TextMarshaler.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Priority) UnmarshalText(b []byte) error {
	i, err := parseName("priority", priorityNames[:], string(b))
	*p = Priority(i - 1)
	if err != nil {
		*p = PriorityMedium
	}
	return err
}

// TaskSet is a set of task types.
type TaskSet uint32

// Tasks makes a set.
func Tasks(ts ...Task) (s TaskSet) {
	for _, t := range ts {
		s |= 1 << t
	}
	return s
}

// Has reports whether t is in the set.
func (s TaskSet) Has(t Task) bool { return s&(1<<t) != 0 }

// FeatureSet is a set of features.
type FeatureSet uint32

// Features makes a set.
func Features(fs ...Feature) (s FeatureSet) {
	for _, f := range fs {
		s |= 1 << f
	}
	return s
}

// Has reports whether f is in the set.
func (s FeatureSet) Has(f Feature) bool { return s&(1<<f) != 0 }

// Missing returns the features of want that s lacks.
func (s FeatureSet) Missing(want FeatureSet) FeatureSet { return want &^ s }

// List returns the members in declaration order.
func (s FeatureSet) List() []Feature {
	out := make([]Feature, 0, bits.OnesCount32(uint32(s)))
	for f := Feature(0); f < featureCount; f++ {
		if s.Has(f) {
			out = append(out, f)
		}
	}
	return out
}

// String returns the names, comma separated.
func (s FeatureSet) String() string {
	var names []string
	for _, f := range s.List() {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}
