package config

import "slices"

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// didYouMean names the known word that is nearest to s, if one is near.
func didYouMean(s string, known []string) string {
	best, distance := "", 1+max(2, len(s)/3)
	for _, k := range known {
		if d := editDistance(s, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// editDistance is Levenshtein's: insertions, deletions and replacements.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
