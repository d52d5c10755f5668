package plan

// Nearest returns the one of the names that is most like name, or nothing when
// none is much like it.
func Nearest(name string, names []string) string {
	best, least := "", len(name)/3+2
	for _, n := range names {
		if name == "" || max(len(n), len(name))-min(len(n), len(name)) >= least {
			continue
		}
		if d := distance(name, n); d < least && d < len(name) {
			best, least = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two words: how many letters must be
// put in, left out or exchanged.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
