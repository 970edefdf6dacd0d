"""The texts that embeddings are compared on: 1,100 of many languages and lengths, the same everywhere.

Sentences of 35 languages, alone and joined to texts of up to some 400 words, parts of the dialogues
and notes in data/, and what a tokenizer may trip over.
"""

import csv
import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COUNT = 1100

SENTENCES = [
    "The patient reports a mild headache since Tuesday.", "Where is the nearest railway station?",
    "Photosynthesis turns light into chemical energy.", "He signed the contract without reading it.",
    "Der Zug nach München hat zwanzig Minuten Verspätung.", "Die Ergebnisse liegen morgen vor.",
    "Le médecin a prescrit un traitement de dix jours.", "Où se trouve la bibliothèque municipale ?",
    "El perro duerme debajo de la mesa de la cocina.", "¿Cuánto cuesta este libro en total?",
    "La riunione è stata spostata a giovedì mattina.", "O tempo vai melhorar no fim de semana.",
    "De fiets staat achter het huis.", "Katten sover på den varma stenen.",
    "Toget går hver time fra spor fire.", "Kokous alkaa kello yhdeksän.",
    "Bókin er á borðinu við gluggann.", "Pociąg odjeżdża z peronu trzeciego.",
    "Vlak má deset minut zpoždění.", "A vonat késik húsz percet.",
    "Trenul pleacă din gara de nord.", "Врач назначил лечение на десять дней.",
    "Потяг запізнюється на двадцять хвилин.", "Срещата е отложена за четвъртък.",
    "Ο γιατρός συνέστησε ξεκούραση.", "Tren yirmi dakika gecikmeli kalkacak.",
    "القطار متأخر عشرين دقيقة عن موعده.", "הרכבת מאחרת בעשרים דקות.",
    "قطار بیست دقیقه تأخیر دارد.", "डॉक्टर ने दस दिन का इलाज बताया।",
    "ট্রেনটি বিশ মিনিট দেরিতে চলছে।", "மருத்துவர் ஓய்வு எடுக்கச் சொன்னார்.",
    "รถไฟมาช้ายี่สิบนาที", "Tàu hỏa đến muộn hai mươi phút.", "Kereta api terlambat dua puluh menit.",
    "Treni imechelewa dakika ishirini.", "火车晚点二十分钟。", "医生建议病人休息十天。",
    "電車は二十分遅れています。", "会議は木曜日に延期されました。", "기차가 이십 분 늦게 도착합니다.",
    "მატარებელი ოცი წუთით იგვიანებს.", "Գնացքը քսան րոպե ուշանում է։",
]
ODD = ["", " ", "a", "!", "\t tabs and  spaces ", "UPPER lower MiXeD", "naïve café — “quoted”…",
       "e = mc²; ∑ᵢ xᵢ ≤ √n", "https://example.org/a?b=c&d=%20#e", "def f(x):\treturn x**2 if x else None",
       "👩‍⚕️🇫🇷 emoji 🎉", "0123456789 3.14159 1e-9 0x1F", "[CLS] [SEP] [MASK] [PAD]", "ﬁ ligature Å Å",
       "a" * 150, "very " * 400, "中" * 300, "supercalifragilisticexpialidocious " * 60,
       "\u200b\u00a0\u3000", "zero\u0000byte"]


def passages():
    """Sections of the corpora: dialogues, notes and what patients said."""
    for name in ("valid", "test1"):
        for entry in json.loads((ROOT / f"data/aci-bench/{name}.json").read_text())["data"]:
            yield from entry["src"].split("\n")
            yield from entry["tgt"].split("\n\n")
    with open(ROOT / "data/mts-dialog/valid.csv", newline="") as file:
        for row in csv.DictReader(file):
            yield row["section_text"]
            yield row["dialogue"]


def texts():
    rng = random.Random(20)
    out = ODD + SENTENCES
    pieces = sorted({" ".join(p.split()) for p in passages()} - {""})
    out = out + [pieces[int(rng.random() * len(pieces))] for _ in range(640)]
    while len(out) < COUNT:
        count = 2 + int(rng.random() ** 3 * 40)
        pool = SENTENCES if rng.random() < 0.6 else SENTENCES[:4] + pieces
        out.append(" ".join(pool[int(rng.random() * len(pool))] for _ in range(count))[:2600])
    return [t.replace("\n", " ") for t in out[:COUNT]]
