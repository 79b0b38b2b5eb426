# SPDX-License-Identifier: ISC
# awk -F, -f compare.awk REFERENCE.csv TRANSCRIPTION.csv: "F-measure notes-played notes-written delay", a note
# being right when its key is and its onset lies within 50 ms; each note counts once. The delay: from onset to
# writing, the mean of the right notes in ms.
FNR == 1 { file++; next }
file == 1 { n++; at[n] = $1; key[n] = $3 }
file == 2 {
    m++
    best = 0
    for (i = 1; i <= n; i++) {
        d = at[i] > $1 ? at[i] - $1 : $1 - at[i]
        if (!used[i] && key[i] == $3 && d <= 0.05 && (!best || d < distance)) { best = i; distance = d }
    }
    if (best) { used[best] = 1; right++; late += $5 - at[best] }
}
END { printf "%.3f %d %d %.0f\n", n + m ? 2 * right / (n + m) : 1, n, m, right ? 1000 * late / right : 0 }
