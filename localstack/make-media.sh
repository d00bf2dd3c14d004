#!/usr/bin/env bash
# Makes the sample media in localstack/media from ffmpeg's own test sources, so nobody has rights in them.
# The results are committed (the demo compiles them in, LocalStack's init hook uploads them): run this only to change them.
# Needs: apt-get install ffmpeg fonts-dejavu-core
set -euo pipefail
cd "$(dirname "$0")/media"

readonly seconds=24 rate=25
readonly picture="testsrc2=size=480x270:rate=$rate:duration=$seconds"
# A low tone with a beep on every full second: a seek can be heard as well as seen.
readonly sound="sine=frequency=220:beep_factor=4:sample_rate=48000:duration=$seconds"
# The time in the middle, large: a seek that lands on the wrong frame is visible at a glance.
readonly label="font=DejaVu Sans Mono:fontcolor=white:box=1:boxcolor=black@0.75"
readonly clock="drawtext=$label:fontsize=56:boxborderw=12:x=(w-tw)/2:y=(h-th)/2-24:text='%{pts\:hms}',\
drawtext=$label:fontsize=28:boxborderw=8:x=(w-tw)/2:y=(h+th)/2+32:text='frame %{n}'"

# Bit-exact and on one thread, without dates, versions and random ids: the same ffmpeg makes the same bytes again.
exact=(-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -threads 1)

make() { # make OUTPUT [ffmpeg option...]: encodes picture and sound
  local output=$1; shift
  ffmpeg -hide_banner -loglevel error -y -f lavfi -i "$picture,$clock" -f lavfi -i "$sound" "$@" "${exact[@]}" "$output"
}

# A keyframe each second keeps seeks exact; B-frames and AAC priming make the edit lists that films from real cameras have.
make clock-moov-last.mp4 -c:v libx264 -profile:v main -pix_fmt yuv420p -preset slower -refs 3 -crf 30 -g "$rate" -keyint_min "$rate" \
  -sc_threshold 0 -c:a aac -b:a 64k -ac 2
# The same streams with the index in front: what a player can start before it has the whole file.
ffmpeg -hide_banner -loglevel error -y -i clock-moov-last.mp4 -c copy -movflags +faststart "${exact[@]}" clock.mp4
# The cues stay where most tools leave them, at the end: a seek has to read the tail first.
make clock.webm -c:v libvpx-vp9 -pix_fmt yuv420p -crf 50 -b:v 0 -g "$rate" -row-mt 0 -deadline good -cpu-used 2 -c:a libopus -b:a 48k -ac 2
make tone.mp3 -map 1:a -c:a libmp3lame -b:a 64k -ac 1 -write_id3v2 0
ffmpeg -hide_banner -loglevel error -y -ss 5 -i clock.mp4 -frames:v 1 -q:v 4 "${exact[@]}" clock.jpg

{
  printf 'WEBVTT\n\nNOTE Captions for clock.mp4 and clock.webm: each names the seconds it is shown for.\n'
  for ((start = 0; start < seconds; start += 3)); do
    printf '\n00:00:%02d.000 --> 00:00:%02d.000\nSeconds %d to %d\n' "$start" "$((start + 3))" "$start" "$((start + 3))"
  done
} >clock.vtt

ls -l
