package postgres

import "time"

// SetAnswerTimeout sets how long a question may take.
func SetAnswerTimeout(s *Store, d time.Duration) { s.answer = d }
