"""Frequent words, letters and pairs of characters of natural and programming languages.

Counted in the texts of installed programs and packages: translated messages in 110 languages, manuals, source code,
markup and tables.
"""

WORDS = """
the and for with this that are from can not you has answer question how com total will each user have use all many
any name inspect file she number your run example https new set more default level one there when command points
org tags but per they code list only other project his than data her used does first license debian content which
copyright version these criterion model axis was role must day class should after without help also specified line
see flags evals time eval group may software add hours response href information then minutes provide test files
available html two type some cost much make value get options argument using out such alpha update what github
times their key following source flag them description api context find week work python about years generated
config fix task location urgency service days three access did left might now health because its including cluster
resource details had node were policy need automatically support like output build beta include cloud would hour
needs every system medium check create accuracy cli changes account symptoms format before none http bash old
prompt unstable gnu non assistant option notice change into ideal completions half completeness upstream arguments
same remove miles specific been year over read wide token long path region function size conditions network import
take amount second twice limit people provided control both dataset uses page professional gpt compute filter
under release func text tests free whether configuration care attribute error return could money commit based log
while git needed who fully note agent given int feet src next security install evaluation students public
documentation additional current pain local most pages even safety commands closes order common mode month full
package true span means field instead general parameters otherwise start notes google container bought since
patient off linux takes third www our values rules above examples where usage end global max made else target
either false const input self svg torch once defined included namespace xmlns string core pragma object endif
stable var tensor module str optional null call init result def bool types gen tuple length void scalar state
index returns break forward operator reduction method typeof root metadata directly title try split language
exports except map require copy util throw args case inc define message typing std mit slice main defaults vector
classes array please font includes base reset view auto dependencies open block export style amd float url cause
required defines utils raise keys custom replace apply storage pagination warning static circular deprecated
inline strict min signatures fwd script present dict just image top declarations json match samples languages push
pass join continue done padding cursor len ops window position items browser load expected num weight empty
multiple struct info right backward process color enable range via width here cpp fetch meta library isinstance
found let normal catch external internal kind blob last hidden single sandbox display always apache pre licensed
event cannot javascript height running future pipeline dev word status body distributed models device native abs
tasks ref environment undefined annotations him whom whose why through between again against very don doing until
further own too being having иарбоуп агха иҟалеит афаил уажәшьҭа аҵакы schema баитк ахышәарақәа ари ахьӡ choices
рзы alias аҟны змоу иақәнагам зхьарԥш активациа еилкааӡам макьаана ахь иарбоу aliases nie van republiek die lêer
kan kon ongeldige het vir una que indica fichero produciu nombre amostrar valor texto con widget fillo etiqueta
espacio puet servir amplaria finestra numero barra icono elemento debe ista como mena clau por fer fuent fallau
entre menú grandaria caracter han rota adreza botón columna غير في لا جمهوري تعذ ملف خطأ الملف فشل على اسم من إلى
صورة ذاكرة أو فشلت مظروف جزر نوع أثناء الصورة اللون سليم تحصيص يمكن لم قيمة عند صيغة صور صحيح إنشاء ال فتح كافية
أن الطابعة قراءة موجود কৰ পৰ ৰত এট কৰক বল ইল সম বৰ তৰ যৱহ তন অন আৰ ৰজ পত ৰৰ ৰক যৰ নহয় ৰস এই nun ficheru del
república fallu imaxe pudo tien llingües nel puede nome falló hai los memoria les caráuter datos triba válidu pal
amosar entrada espaciu elementu ocurrió ensin cargar formatu testu direutoriu númberu islles lleer esti llinia
grupu anchor implementa rəsm üçün bir bilmədi yaddaş rəng faylı fayl iflası formatı element rəsmi png pnm hərf
yeni xəta gözlənilməz faylının adı adaları sənəd törəmə gif bilmir daxil qurtardı qeyd yoxdur malikdir növü
hökmsüz şəkildə dəstəklənməyən deyil tiff lumat xətası для ці ўдалося файл немагчыма памылка што калі рэспубліка
назва край будзе файла значэнне да меню па як аб памер пры выявы паказваць мае за раён шырыня віджэт колькасць
колер тып тэкст вобласць радок праграмы прастора толькі можа може при грешка име или ако като по към неправилен
извеждане কর রজ যর করত ছব নয় তর মধ পর ওয় অক আরব হব বর জন skeudenn restr ket fazi arabeg eus dollar mentrezh
republik anv yezh lur inizi nevez yezhoù bro hanternoz ebet liv bet sinoù evit kargañ adenvel enez gwalarn gant
dilemel arlun roll unanet dianav teuliad lec mat walc dinar skritur reter kreisteiz nije greška republika mogu
datoteke vrijednost ili ime datoteka koji ima broj slike pri treba prilikom boja tekst ako biti postavljeno
datoteku širina kao može koja nisam ikone podržava kada slika sadrži veličina koristi ključ nema znak prikazuje
teksta fitxer els amb pogut nom pot opció vàlid està fitxers línia mostra directori cap tipus caràcter cada eixida
produït només caràcters defecte mida forma cadena vàlida estàndard llista ordre línies ser més especificat dades
equival però dels número tili cumhuriyeti i̇şaret içün suret hurufat hafiza tilleri tahsis dosyesi şimaliy sureti
etilamadı sahip amerika keçersiz dosye ise yerlileri qırallığı tüs hata olaraq yetersiz afrika saylanğan olıp eski
kenişligi yüklemek cenübiy piksel dosyesini etilgen hal hazırda ölçüsi serlevhası fihrist desteklenmegen pro klíč
chyba není při soubor nelze nebo klíče souboru název neplatný jako kód pokud podpis shellu certifikát příkaz tento
být návratový bude uživatele přepínač varování klíčů hodnota selhalo byl přepínače jsou adresář řádek seznam
vypíše vrátí počet prosím гӏайренаш ҫырав пачхьалкх тай авал китай валли хушма ят сири гвине керла сент пахлави
египет хан хангыль хирагана катакана латин афганистан самоа британин гlайреш ливи халкъа сан къилба судан ахом
иероглифсем арап бопомофо ҫыру дуплоян ҫырусенче ямо яппун кидань тата ffeil mae gweriniaeth gyfer wedi methu enw
delwedd dangos testun lliw wrth gwall teclyn plentyn gan gwerth mewn methwyd maint hwn lled mwyn ydy neu label
eicon ffont ddylid dim ddefnyddio annilys cynnwys dewis fel bar ffenestr tag pan ddelwedd ikke til med som fil
eller fejl ved kunne brug fra tegn den der hvis ugyldig ingen udskriv ugyldigt det skal kun byte standard vis navn
angivet filer ukendt advarsel filen samme mislykkedes men tegnsprog katalog alle republikken streng nicht des ist
das werden für datei kann soll wird von und oder fehler anzeigen keine ein als auf sein eine fest legt dem beim
sie གས འད འབད བས བར ཁབ του για δεν είναι τησ θα την που από σε στο με και μη όνομα των αδυναμία σφάλμα αρχείου
αρχείο τη στην έχει γλώσσα δεδομένων δημοκρατία αποτυχία νοηματική εμφάνιση τιμή ένα στοιχείο στη μέγεθοσ πρέπει
επιλογή estas kaj dosiero eblas opcio nevalida malsukcesis eraro nomo respubliko tiu kiel montri komando havas
gestolingvo nur dosierujo dum valoro tro povas estis opcioj krei uzi mankas nekonata dosieron argumento ĉeno arg
ĉiu neniu elirstato nombro para las está opción orden salida estado muestra línea shell lista mostrar directorio
opciones tamaño esta cuando hijo órdenes modo actual devuelve inválida usar tipo inválido ventana caracteres tiene
variable hay este carácter anchura argumentos grupo señal versión tiempo nombres kui pole või vigane faili fail
väljasta viga võti saa võimalik ole ebaõnnestus nimi kasuta vaikimisi vabariik ainult sama õnnestu hoiatus antud
kataloogi kasutada sümbol asemel liiga puudub kasutamine võtit ära sõne iga mitte olla kasutaja tundmatu võib
olema kõik ezin edo errorea fitxategia dago bat izan izena errepublika behar egin eta huts ala fitxategi balioa
baliogabea aukera onartzen dira mota duen erakutsi aurkitu baliogabeko tamaina bide hizkuntzak dagoen baina izen
erabilera gisa kopurua gako zen fitxategiak sortu dauka trepeta در پرونده برای از نمی است جمهوری به را خطا نام های
تصویر شده یک توان نیست شکست کردن نامعتبر یا ها این ای مقدار که پشتیبانی virheellinen tai voi tuntematon odotettiin
oltava käytä liian kohteelle ulkopuolella arvo huomioon vain tiedosto rekisteri operandi epäonnistui voida näytä
puuttuva tuota valitsimet otettu virhe lukualueen käsky käytetty lauseke kanssa jälkeen lohko tyyppi direktiivi
sisäinen käskykoodi tässä tuettu ilman tunnistamaton koko republikang kaharian kapuluan hilagang pederal san timog
demokratikong variant matandang bayan nagkakaisang hiroglipo arabo ehipto estadong britanya tsina korea islam est
pour une fichier dans pas indique par élément commande être afficher impossible valeur ligne texte avec répertoire
sur liste sont graphique utiliser affiche sortie défaut doit vrai comme barre icône peut valable commandes paquet
fenêtre fichiers renvoie taille largeur dal tal nol che erôr republiche impussibil indiche lis imagjin gjenar
valôr clâf dai valit colôr jessi numar cuant icone spazi barcon scheme mostre rivâts percors sbare come chest
direzion stringhe caratar plui azion aplicazion largjece stât etichete posizion dimension agus féidir comhad
neamhbhailí ainm rogha earráid úsáid theip leis mar poblacht níl ann comhaid ordú íomhá fhéidir stádas ach gach
níorbh slonn atá seo bhfuil taispeáin roghanna haghaidh líne rabhadh scortha uimhir liosta comhadlann dhiù air
thèid nan airson tha dèid aig gus teacsa nach leud àite bheil chlò seall chleachdadh nuair meud dath ris leubail
eadar luach chur uinneag àirde shealltainn loidhne phàiste taice bàr thaice àireamh chrutha thaisbeanadh bhàr
suidhich ìomhaigheag sgrìn ficheiro unha erro pode posíbel produciuse válido chave liña cando icona ficheiros
saída ten dos xanela foi cor orde cadea espazo largura letra máis idiomas clave sinatura usuario válida fallou
aviso acción tempo obxecto incorrecto desprazamento servidor definición ruta નથ કર ઓફ પર શક પબ થય રહ યન ઈલ રક અન
વવ કરવ મત રમ તર ફળ તમ અક પહ નહ અય של לא הרפובליקה את ניתן קובץ שם אל נכשלה שגוי אין תמונת יש מעטפה זיכרון על שגיאה
הקובץ או הצבע התמונה איי כדי ערך תקני בתים שגיאת אינו מספר השירות סוג להציג נתוני תמונה מספיק אימות מדי לטעינת צבע
נכשל नह इल कर ऑफ करन पर पब छव एक वर अन सम रक सकत moguće opcija nevaljani ispiše samo uspjelo direktorij isto ali
polja izlaz umjesto nevaljana zadano rabi znakova redak uporaba nemoguće vrijeme naziv više bez signal standardni
imena retka podataka poveznice sve opcije mora jezici ulaz nakon prikaži jedan bajtova vrsta redaka nem fájl vagy
érvénytelen hiba egy meg nincs kapcsoló köztársaság mint kiírása lehet meghiúsult csak minden szabványos helyett
akkor könyvtár megadva használata túl alapértelmezett kívül szám megadott ugyanaz karakterlánc sikerült használat
bájt után szimbolikus támogatott karakter fájlok található kell érték համար չի արդյոք սխալ հանրապետություն պետք
այս ֆայլը եթե չէ կամ վրա կարող արժեքը պատկերակի չհաջողվեց հաջողվել են պատկերի երբ ֆայլի ունի չափը անվավեր
լայնությունը տառատեսակի անունը ճշմարիտ լռելյայն որպես ցուցադրել պատուհանի միջեւ տեքստը պարունակում գույնը քանակը
անուն մենյուի արժեք republica impossibile nomine characteres incognite monstrar inveloppe character campo necun
esser imprimitor incorrecte dossier valide plus insuccesso authentication invalide definite definition cache nove
pote intervallo fin classe crear programma trovate entrata insulas sinistra dextera tabula era aperir adder
modificar regno tidak yang berkas dari untuk dapat dalam nama tak valid gagal dengan ada sebuah atau dan ini
perintah daerah simbol nilai saat galat bahasa bukan direktori pilihan bisa dokumento imajala povis faliis formato
koloro dokumentuyo imajo eroro skribar nova alteso donaji paperala larjeso atributo adjuntez grandeso imprimez
rinomizez insuli xpm ekki táknmál lýðveldið gat arabíska sem mið fyrir með vestur suður norður gínea við austur
nýja hvort papúa minni skrá mynd myndin lesið forn heiti stærð eða miðhluti kongó nígería kínverska vera tungumál
villa kamerún alþýðulýðveldið tákn merki leturs branch merge dei eseguire oggetto albero usa riuscita percorso
errore opzioni sono lavoro indice della valido stato hunk riferimento pack essere dell directory solo repository
nell visualizza head patch esegui oggetti wal oid debug lld alter table ის არ შეუძლებელია შეცდომა არაა უნდა
არასწორი არსებობს ვერ და იყოს ფაილის ან სახელი ტიპი ტიპის ბაზის რესპუბლიკა პარამეტრი მნიშვნელობა უკვე მხოლოდ
შეიძლება სვეტი მითითებული გამოყენება დაყენება ით ცხრილის სვეტის უცნობი მხარდაჭერილი მონაცემების აკრძალულია ზე გარე
ფუნქცია შეიცავს გააჩნია ამ республикасы емес үшін мүмкін қатесі қате керек сәтсіз файлын жоқ бар шығару конверті
аралдары жасау аты түрі жүктеу түс өшіру қосу жазу алу және атын көрсету жаңа белгісіз орнату патшалығы аяқталды
ашу болып ені тұр бума файлды сурет жады сақтау បង សម របស រង បន រប កម តម បញ អត ទទ បភ komara giravên şahiyetî
demokratîk dewleta yên gelê gîneya dewletên girava çîn federal îslamî yekbuyî ಯನ ಅನ ಸಲ ಯವ ವಲ ಗಳ ಟರ ಸರ ಎನ ಪರ ತರ ಯಲ
ಅರ ಅಮ ವರ ನಲ ಗಣರ ಆರ ಡಲ ಬರ ಅಕ ಕರ ರದ ಕನ ಪಟ ಬಲ ವನ ಕಡತವನ 파일 없습니다 여부 이름 없음 옵션 문자 않습니다 또는 오류 실패
옵션을 출력 있습니다 부적절한 형식 하위 명령 크기 현재 인자 합니다 파일을 표시 문자열 출력합니다 숫자 디렉터리
잘못된 설정 모든 있는 상태 입력 사용 공화국 기본 경우 표준 사용할 wêneyê pelê wêne dosya bîr nake barkirina wêneya
formata nayê biserneket nikare têra jpeg navê veqetîne veqetandin nirxa rengan bîrê firehiya nikarî жана
падышалыгы программанын түштүк гвинея мамлекети үчүн аралы демократиялык бул баскычы тууралоо улуу федеративдик
көрсөтүү түрү жабдуунун британия виргин fayiro ekiragiro nga oba buno bwe kano eya ennamba agu kawayiro sisitemu
omulimu nti bulijjo eri nnemedwa kino kamu tterekero namba obubonero akawayiro kigambo enkozesa kya entuufu
bukireetera eza ate agumenti eky erinnya buli aka obungi kaleetera ngeri obuwayiro emu neet besjtandj aafbiljing
haet nepavyko klaida yra nėra failo respublika turi failas kalba gestų pavadinimas arba būti provincija failą
netinkamas kalbos kaip tipas rodyti negalima atminties jei paveikslėlio reikšmė naudoti parametras prefektūra
vardas vilaja duomenų skaičius failų objekto aplanko jau tik elementas valstija vai nav neizdevās kļūda nosaukums
datnes lai kas nevar rādīt attēla vērtība kad datne platums datni nederīgs tips tiek šis teksts skaits starp pēc
krāsa patiess bērna logdaļa krāsu valodas izmērs vajadzētu vērtību lietot ikonas izveidot tikai atstarpe augstums
अछ सकल रत एकट tsy ilay marika misy rakitra mety sanda singantaharo amin nifarana zanaka pamaha raki manokana
tahirin tūwehe ataahua puarahi kia ehara reo kei kaore uta република датотеката യമ നത ലഭ ഫയല യമല പബ യന ശക പര ഇമ കള
нь байна эсэх зургийн бол эсвэл энэ өргөн хэмжээ элемент зай төрөл харуулах утга өнгө ба удирдлагын хэрэв нэр товч
текст элементийн бичгийн босоо тэмдэгт зураг хэвтээ нөлөөлөх харагдах мөрийн хүү байрлал санах цонхны хамгийн дэд
доллар мөр түлхүүр үед तर आह मध यन करण अर उत दक आढळल करत अक अस अव अप कन bagi satu ralat pada sah boleh imej anak
teks jika baris တယ အမ အစ အရ တခ အခ အတ အက အပ bruk klarte nøkkel feil skriv valgt bruker valg har antall denne
nøkkelen mislyktes linje inn inndata bare endre dette vil brukes nich dat künn nah breevumschlag vun naam bill
links rechts keen boven breevumslag prc keene billformat löschen opmaken unnen laden गर सक गणर niet een geen voor
bestand wordt met worden gegeven fout bij optie aan tonen opdracht zijn deze gebarentaal naar dit opties waarde
versie afsluitwaarde door uit mislukt opdrachten regel gebruikt werd gebruik gevonden heeft huidige ikkje eit fila
vert teikn minne barnet når frå namn biletet seswantšho faele bja kgopolo laiša sebopego tsebišo tša paletšwe yeo
lekanego kgonthe kgone bakeng tše sego thekgwego faeleng bophara hlogwana bjo bophagamo bogolo phošo mmala goba
mohuta boleng fichièr dins moment tipe imatge fracàs carga invalid èsser deu adreça camin fichièrs donadas afichar
fracassat son servici pel rèireplan esquèrra definit memòria lectura aqueste linha tròp coma repertòri bus tèxte
pòt estat connexion uri esquèma aplicacion atribut invalida sageta କର ଆନ ତର ଗଣତନ ରକ ବର ଇଲ ପର ନଟ ଅନ ରଣ ଉତ ସମ କରନ ଆର
ଏକ ରତ ଦକ ଇଛ ତନ ଅବ ମଧ ୟକ ଇନ ਨਹ ਲਈ ਤਰ ਅਨ ਇਲ ਕਰ ਗਲਤ ਈਨ ਪਰ ਸਕ ਕਰਨ ਗਰ ਟਰ ਖਣ ਮਬ ਸਮ ਕਸ ਗਣਰ ਸਟ ਨਗ ਨਯ ਰਬ ਆਨ ਕਵ ਸਕਦ ਕਲ można
jest się pliku lub plik błąd dla repozytorium użyj tylko nazwa opcje gałęzi gałąź aby nazwy plików drzewa indeksu
podczas zapisu brak zapis pliki wartość jeśli ścieżka tego referencji zmiany ale przez obiektu pokaż powiodło
zapisów gita ścieżki być کې دوتنه نه ستونزه په انځور دوتنې پاتې راغی نوم شي não impossível secção tamanho falha
uma versão dados desvio tem ler desconhecido informação tabela cabeçalho arquivo símbolos símbolo criar contém
opções índice abrir endereço opção muito bytes cadeia são encontrado corrupto memória pasta processo nomes
programa mais definir ligação objecto possível falhou padrão seção deve usuário suporte diretório imagem banco pid
nenhum arquivos objeto comando você uso sistema após configuração caractere código incapaz ramo cenário árvore
pedaço pentru eroare poate sau putut fost cheia fișierul nume cheie din trebuie eșuat fișier numele mai opțiunea
dacă utilizator fie prea afișează sunt numai nevalid valoarea secțiunea după tip această chei există semnătură
fișierului fără memorie avertisment нельзя удалось быть данных существует тип значение только может функции из
типа имя таблицы параметр использовать нет должен столбец задаёт как столбца республика функция репликации уже
должна поддерживается число отношения доступа нужно столбцов неверный содержит является можно ошибка процесс
repubulika rya ibirwa bya cya leta indimi idolari igihugu iharanira ubumwe demokarasi zunze mutagatifu idenari
ipezo ifaranga ipawundi amajyaruguru kongo gineya kuwa ubushinwa rubanda irupi nyarabu virigini koreya
ishyizehamwe amajyepfo tanzaniya izina aligeriya samowa misiri arumeniya ositaraliya bahamasi ikirwa burezile
repùblica munitzipalidade regione ìsulas meridionale dòllaru antigu setentrionale otzidentale sas nord orientale
rennu tzentrale sud tzitade ìsula santu istadu francu ovest democràtica variante peso sos noa arta unidade tedescu
bassu santa istados tza norvegesu lòira federale unidos isterlina rupia àrabu ජනරජය ඇත වර සඳහ සහ රම අසමත නම ණය තය
child කළ සත පර දක යන නය වද názov súbor určuje súboru možné alebo byť typ zobraziť nepodarilo zlyhalo kľúč veľkosť
voľby použiť prvok číslo príliš zoznam vytvoriť iba príkaz ktorý musí neplatná jazyky ovládací sekcie nedá bol
obsahuje kľúča neznámy žiadne súborov majú adresár mogoče kot naj število izbira napaka vrstice neveljavna
vrednost brez izpiši izraz uporabi ukaz privzeto neveljavno predmet pisava možnost niz izhod več velikost vrstic
lahko imenik stanje način izpis opozorilo znakov strani namesto datoteko datotek jeziki gradnik vrednosti besedilo
nuk për pamundur një gjuhë gabim gjatë është figurës tek није могу датотеке датотека назив нисам неисправан
датотеку нема број вредност успео само података од бити слике податке као приликом исписује користи више опције
врста одељак знак меморије садржи има неисправна успело кључ путања мора директоријум направим али för inte att
till och ett huruvida vara ogiltig register instruktion måste ska värde ogiltigt operand använd denna utanför
generera stöds intervall visa vid instruktioner endast saknar okänd பட கள யன கப கத உர யவ யல ஃப யர மத யரச ஒர உள கர
இல கன தல அல అన వర రమ ఆఫ టల లన దస రత పబ యన పర ఒక రక మర కన కల నద సర టక ఫలమ барои дар ки ҷумҳурии намоиш иловагӣ ин
бояд агар бо дода шавад мешавад истифода андозаи бари кардани бошад барчасп номи виҷет ҳадди ҳангоми матн аст
додани ранги нишон навори аз объекти фаъол ไม ได อผ ใช เก สาธารณร อม ดข ภาษาม แฟ อย สำเร รองร กต หร ปภาพ เป อง แต
นต นย เร หน เช เน กผสม วต วยความจำไม งไม มร ชน มพ กำล สำหร เซ ยร กล ลส าน งก respublikasy korollygy adalary halk
gwineýa federatiw birleşen adyny resim hili faýly ewez boldy täze ang hindi talaksang bigo sawi mga tanggap walang
ito nagwakas pag susi inaasahan için geçersiz veya ile değil yazmaç olarak hatalı yok bilinmeyen eksik fazla
dosyası beklendi işlenen türü içinde çok hatası desteklenmiyor komut ifade değer yoksayıldı değeri başarısız işlem
geçerli büyük olmalı yazmacı bit dışı argüman kullanır yerdeğişim sonra alt bellek dizin җөмһүриәте sürät bulmadı
утравлары xäter birem yaraqsız citmi tözeleşendä патшаһлыгы yöklärlek biremen digän uzmadı белән берләшкән açıp
gуинеа يوق بۇ خاتالىق ھۆججەت جۇمھۇرىيىتى نى كۆرۈلدى تارماق ئاتى ياكى ئىناۋەتسىز ئەڭ سۈرەت تېكىست بىر بىلەن بولسا
رەڭ سىنبەلگە ئەگەر كەڭلىكى نىڭ بار بەلگە ھەرپ خەت ۋە قۇر ئىشلىتىدىغان تىزىملىك ۋىجېت بوشلۇق سانى ئەمەس قىممىتى
پىكسېل قىممەت كۆڭۈلدىكى چوڭلۇقى كۆرسىتەمدۇ помилка чи до вдалося ключ час під попередження або що ключа значення
даних якщо розмір спроби використовувати створити ключів показувати цей користувача дані використання має можна
немає параметри некоректний щодо рядок сертифікат увага бути встановити об буде підпис із запис boʻlmadi konvert
rasm olib bosib qogʻoz xatolik chiqarish orollari mavjud rang jild tashlash yangi yuz berdi nomaʼlum uchun formati
yoʻq printer faylni faylini fayli xato qoʻshish sahifalar sahifa nomi maxfiy nomini extra respublikasi yuklab
yozishda ochib saqlash xatchoʻplarga chapdan oʻngga không các thể tin được một tập chuyển cho tiếng trong mục giao
của khi đối đã lần lỗi để tên tượng bạn dùng nhánh chọn với nén republike imådje dji fitchî lingaedjes savou
memwere ene sôre tcherdjî iyes assez stî ridant rweyåme coleur alouwer pol esse valixhance tot tiestire coleurs
lårdjeur viè ruwaayom demokaraatik etaa bennoo ginne iil popileer ciin islaamik araab afrik kongóo koore federaal
guyaana faraañse islaand nuweel pirinsipóote afganistaan albaani aljeeri andoor angoolaa ejipt argentiin armeeni
ótriis ifayili umfanekiso wolwazi uvimba ukuba igama uphawu akuphumelelekanga impazamo kwi ayikwazi ukufunda
bomfanekiso ayiphumelelanga okanye uxwebhu yomfanekiso engundoqo ukunikezela luphele ngesiquphe yomntwana lwe
ayikwazanga fayili ubume header mhlawumbi akonelanga ixabiso lophawu iqulethe ניט בילד טעקע דער הא רײ ון דא נא בא
קא מען socksv socket rgba gtk utf dbus eject crl pin ignore isi iphutha iphasiwedi entsha unemeyili isikhathi
sokugunyaza pam kokugunyaza izinhlamvu ihlulekile kwifolda ukwaziswa yokugunyaza zomsebenzisi isiqinisekiso igini
uxolo ukwehluleka isevisi wat maar sal toe daar gaan saam dag hom jou kom ons baie gesê haar sien hulle بعد تم عدد
كان بشكل هذا له التي واحد يكون أي هذه كل صفر نهاية عن دون قبل هو الا ذات لكن هنا الذي حاليا بعض بها بين لها نفس
هناك حم ذو ما مع حتى كما أكثر باسم الوقت او هي أخذ إذا ذلك عام عدم مثل بسبب عليك إن ان بك بل ثم ذا قد كم لن لي هم
وا ألا إذن اثر طاق كلا نعم وقد ولا وهو الان تجاه جميع مايو اعادة آض във без трябва бъде няма всички този след със
които който това тази вече повече един когато освен чрез време много която преди нов най могат че всяка едно всеки
им така което тя също го ще върху според бе все той нито такъв точно отгоре една нова ви нищо поради още поне
както първи си две през бъдат друга бяха дали дори между докато заедно вероятно би сте беше এর আর হয় বন এল এস সহ
ওর আজ এব হল হন উপর আই এমন যত সব আরও একই এত ওই কত তত হত অথচ এখন তখন বলল যখন রকম অতএব এখনও কখনও war stumm dre hag
hen uhel kreiz giz sav hini kent lein stad dehou traoñ ger hañ ker vez holl leun reiñ sant diwar goude distro
anezhañ ouzhpenn ban pad vat benn chom eeun etre komz mont pell raok betek bihan prest seurt anezhi bremañ dindan
gentañ kentañ zivout diwezhañ aba aed aen aes afe aio aje aon bad bah bal bep bev boa dak dao dav dek dez doa dro
eas aquest poden aquesta són després sobre quan sense tots primer també perquè totes fins seu abans podeu encara
fora mateix heu així sota estan llarg donat alhora vostra igual altres mal molt altre haver aquests tenir últim
durant potser què seus tant esteu teniu inclòs vostre quelcom això aquell algunes pels qual altra ambdós contra
feu tan anar baix tota unes algun quins již nebyl pouze než které který nový nejsou jen toto budou jej jste může
chcete protože podle tohoto když byla bylo více každý jeho před jeden další jak pak mezi možná přes tuto jinak
první kvůli tomto jejich nula jím smí tato nebyla nebyly nic této třeba váš nové během ještě byly tímto zprávy pod
jsem vždy která proti kterou tím zda její jiné proc tyto jestliže ano aniž jehož neměl takže jednou efter være
hver flere intet ind blev før også nogen mere mange noget blive stor lav sig anden hvor andet disse store selv
andre fik deres mod mens sådan man lige bliver hvad aldrig enhver hvordan nær begge får nyt tre lille meget fleste
jeg ned helt næste ville sin nogle dog lad sit kein diese muss aus wurde zum hat wenn einen sind sollen bei zur
zwischen ende durch dieser wahr bereits einer aber möglich dieses bis wie können konnte darf gibt mehr einem viele
eines sich zeit vor haben vom über statt dass auch neue dies hier ohne elf zwei keinen sollte neuen diesem andere
gross gleich wurden kleiner entweder zusammen oben immer diesen ωσ προσ μια κατά τον τισ στον μετά μην στα δε πριν
μέσα πιο σαν τότε υπό μία πωσ κατ έναν εκ περί κτλ απο επί ναι ποιο απ μή δια υπο κατα μονο στου γι μα υπ διά ενα
καί μεν παρ προ αντι οταν ποια ας γα γε δέ δή δι δὲ δὴ εν εξ επ εἰ act adj ago ask big buy cry due edu etc far few
gmt got gov hed hes hid htm ill isn itd ive low ltd mil mrs mug nay net nor nos ord put ran saw say sec six sub
sup tis ups viz vol way web wed won yes yet able abst aint amid area aren arpa asks auth away back best biol came
cant cmon dare date dear didn dont down ends ever face fact felt fify fill fire five four gave gets give goes gone
good hasn hell hers high home isnt itll keep kept knew know less lest lets look mean mill mine miss move msie near
nine okay ones onto ours part past pmid puts refs ring room said says seem seen sees sent shed shes show side site
soon stop sure tell thin thou thru thus took turn twas unto upon uucp vols want wasn ways well went weve whim whod
whos wish wont youd zero added pli unu kiu ĉiujn post tiun ĝin sed jam antaŭ inter estu ĝis unua ĉiun tio bonvolu
nek mem eble plej ajn sia ĝian nepre estos ekz plu tuj ĝia ilin sian oni tion tamen nenion iun tra nenio super
ankoraŭ dua tri havu kiujn neniun ekzemple kion kiun ilian tiujn kvazaŭ ion jes kio iujn tute kvar tria ĉion adiaŭ
bonan kvara verŝajne ses ĵus male vian estus minus más sólo trabajo deben existe pueden menos verdadero desde
ningún final pero lugar sea nuevo parte antes todas ninguna después demasiado actualmente todos alrededor esto
estar están mismo fuera última otra dentro cual donde cuenta mientras mayor también encuentra nueva tener sus cómo
empleo sido debajo segundo solamente esté hace lado mis seda aga selle siis oma nii midagi oli jah olen siin mul
nad mind minu oled mulle hau ditu beste ere bezala bere honek honetan batean dute hori anitz batzuk arabera honi
zein bati bera nola batek noiz gutxi hauek hemen gainera hona zuen ziren hortik zenbait zer hala haiek horra
horrek zenbat hemendik hor asko hara hari hark hura nora zuek berau eurak guzti haiei hango hauei horko horri
nongo zuten berori handik hartan honela horiei horiek nondik zituen batzuei batzuek beraiek berauek haietan
hauetan hemengo horrela beroriek horietan horretan zergatik batzuetan hainbeste شود داده با هنگام کرد باید استفاده
روی نشده می دارد پیش کند باشد داد عنوان ندارد شد وجود زمینه کنید هیچ یافت بدون مورد دهی جریان بی بر پس بیش رفت طور
آن بود بین حال شوند شدن بزرگ قابل پیدا گرفتن تا باشند یافتن باز نشان فقط ولی شاید کنونی چون گفت بودن جدید گرفت ده
وگو تمام خیلی میان تواند داشته تر دهد kuin jos älä suuri ovat tämä annettu sisällä lisää joka ennen mutta että
kaikki sen mitään onko uudelleen sitä yksi eivät ensimmäisen aina tämän ensimmäinen toisen useita luo ehkä tälle
yli sekä olevan viimeisen toinen jotka sijaan kaukana nämä välillä kahden kaksi monta vielä voidaan eikä koska
oleva yhdessä täytyy varten sta uusi muuta tällä paitsi kaikille viimeinen kuten pieni mikäli vähintään joten
päälle tahansa pienempi ssa joko mikä tätä yhtä sous cette qui soit chaque retour moins aux vers été depuis sans
état minimale aucun doivent lorsque premier deux lors avant droite haut même tous vous toutes mot maximale elle
après ont façon attendu peuvent laquelle aucune seule plusieurs seulement début nouveau quand sinon clic selon
autres autre dessus ils sera cet fois leur lequel dernier bas ceci permet plutôt unique celle celui toujours hors
suivant nul chun ina faoi iad níor idir dtí tar éis thar roimh trí chuig faoin lena gur dhá céad ocht siad sna dar
chomh arna cúig dár ins thú óna bhúr chtó cois fara haon inár naoi sibh sinn ónár beirt caoga deich fiche hocht
lenár nócha triúr trína faoina naonúr ochtar seacht seasca trínár cúigear faoinár seachtó seisear tríocha ceathair
ceathrar daichead seachtar deichniúr dun dunha coa facer súa polo nunha ter cun pola cunha aos sexa aínda teñen
deste así nas neste cos moi aquí foron tamén coas ese iso nin estaba lle nós tiña ela esa dela elas súas teño
polas polos unhas alí ben fun meu teu túa uns vos vós cuns duns eles eran esas એન એક આર પણ ઉપર થઈ આગળ થઇ ગઈ એમ કઈ
થઈએ ita sai shi sun amma kuma suka tafi tana wani wata yake yana cikin wannan lokacin להיות בין הוא היה עם לה אשר
כאשר זה למטה עליך למעלה כל שוב שלך אותו יכול לפני מחוץ אי אך כי כן מה עד אתה כאן לאו אם אף גם כש רק אבל אחר היא
כמו תחת אותה אותך אחרי אחרת בתוך יהיה יוכל מאין עצמה אחרות מכיוון באמצעות אז אס הם הן כך לו לי מי מן נו עז פה איך
אלה אלו אני אצל אתם אתן בלי ברם דרך הנה הרי ואת זאת זות יכל כזה ככה כלל इस और इन तक अत यह जब एस तरह आप ओर उस कई तब
उन वह कइ घर मगर वरग već nisu bilo prije svi što koje jedna jer bio ova još tako kako koju jedne neće nego nešto
taj bila iako kroz neki ste vaš bili odmah njezin joj ona njih sebe tome jedno pored svoje jesu njim svom vaša
vrlo niste njima kojima njihov njezina njihova njihovo bih duž jim moj nam naš nju ono sam smo toj vam vas zar ćeš
bumo hoće hoću jesi mene meni mimo első utolsó több például egész egyes ezen hogy már által nagy nélkül lett még
lesz teljes sok előtt mert erre ehhez vissza való belül közben lévő amely össze rosszul egyszerre két mindig
vannak szerint jelenleg azt között további legalább ezt volna végén nagyobb pár majd alatt erről mivel egyetlen
itt többször mindegyik így ebben pedig együtt közül legyen esetben kellene második utoljára keresztül hét óta úgy
elég soha որը այն որ մեջ հետո էր ում մի հետ ըստ որոնք այդ նրա եք իր այլ դուք ին էին իսկ ու նրանք եմ ես էի նա դու
ենք էիր էիք նաև էինք մենք պիտի adalah sebagai bagian ketika terlalu keluar membuat lebih digunakan oleh hanya
jangan anda waktu harus suatu diberikan apakah secara telah panjang buat besar gunakan menggunakan akan akhir
tanpa jumlah awal baru setelah banyak diketahui sudah setiap kata umum mungkin seluruh tapi benar semua sebelum
seperti sedang tempat terakhir itu sekarang lain tengah belum perlu karena terjadi terlihat sementara antar bawah
kecil berada tinggi saja cukup berupa gli quest delle più nessun questo cui dall durante può nuovo tutti prima
dopo senza nella alla già quelli sul degli anche trovato uno stati fine altro sulla stata nessuna sarà troppo nei
tuo questa dallo nulla ancora insieme ogni sullo quando forse forza perché rispetto quindi sarebbero ciò sull
fuori ultimo sei volta saranno stai dalla primo invece ora sui caso loro altri dello 시간 다음 에서 다른 으로 따라
시각 어떤 부터 아니면 혹은 바로 그렇지 기타 그리고 만큼 모두 함께 같이 동안 이상 하나 까지 우선 다음에 동시에
어떻게 반드시 제외하고 또한 즉시 때문에 양자 기준으로 가령 오직 얼마나 하지만 하더라도 어느 전부 그래도 여전히
아니라면 단지 이런 있다 대하여 조차도 각각 각종 결국 그럼 다수 따위 매번 무엇 비록 여기 잠깐 잠시 지만 게다가
그런데 대해서 뒤따라 따라서 로부터 어떠한 이라면 이어서 이지만 하여금 그러므로 나머지는 불구하고 시작하여 각자
같다 거바 거의 것들 겨우 고로 과연 관한 그들 그때 그래 بۆ بێ بە تۆ تێ دە لێ لە پێ کە ئەم ئەو جگە دوو سەر لەو ناو
هەر وەک پاش پێش ئێمە ئێوە بەبێ دوای لەبن لەرێ چەند ئەوان ئەوەی بێجگە بەدەم بەرلە بەلای بەپێی دەکات دەگەڵ لەبەر
لەدەم لەسەر لەناو لەنێو لەژێر لەگەڵ نێوان بەردەم بەرەوی بەرەوە لەباتی لەرێگا لەرەوی لەبابەت لەبارەی لەبرێتی
لەبەینی لەلایەن هەروەها لەپێناوی aut cum hic hoc nec qua quo rem res sic vel erat haec quae quam quod atque autem
erant etiam neque rebus quibus quidem tandem prie tarp kai apie pagal ant iki nuo vietoj jis taip kuris bent kuri
kol kur pat negu savo visas vienas ties kitas aplink joks pats tikriausiai gal nes tas paties tiesiog abi lyg link
nors pati save toks jeigu jokia nebent kiaurai tol gana irgi itin jums kiek kita pirm vien greta netgi pirma taigi
kadangi pernelyg ðe ði abu ana dël ech jog juk jus jûs lig tika pie līdz iekš būt pirms priekš nevis ārpus tad
pret tiks virs bija tikt zem caur nekā varat aiz kaut dēļ kamēr būs gar arī tāpēc pār nebūt droši kļūst iekšpus
tiksiet esi jeb jel biji biju būsi būšu esam esat esmu kopš kļūs kļūt nedz taps tapt taču tiec tiki tiku apakš
bijām bijāt būsim iekam iekām jebšu kļuva kļuvi kļuvu kļūsi kļūšu labad nezin tapsi tapāt tapšu tieku पण पम आज
परयतन mempunyai tiada atas antara tindakan masa kumpulan sumber mahu semula mana semasa tetapi maklumat kedudukan
dijangka menunjukkan pengguna utama ialah program kawasan selepas bahagian menerima kepada proses daripada luar
berakhir kedua awam sistem operasi mendapatkan selain keadaan kerja baharu permintaan dasar alleen waar zonder
moet elke tenzij mag enkel maken reeds eerste wanneer ook omdat nog meer vanaf anders buiten twee kunnen elk
tweede opnieuw slechts hun moeten tussen tijdens binnen hebben maakt altijd laatst zou hebt veel zodat gelijk
gewoon volgens zal weer sinds zoals ander later kunt beide eerst niets misschien onder etter enn bruke blir lage
opp ble uten verdi både mellom mer fordi noe seg tid noen lang slik blitt siden tilbake ditt sist vært slutt hva
mye hvilke deg måte skulle stille lik hvilken bli może już wszystkie przy ani musi tym więcej żadnych przed niż
poza żeby czy wielu które albo wszystkich tej kiedy wiele możliwe nawet jeszcze między został który którego dużo
mają według mogą teraz innych swoje twoja właśnie ich inne będą jego żaden ponieważ gdy gdzie też jeżeli
natychmiast raz nowe która wtedy dwa oraz twój będzie których wszystko było tych także twoje jednym zawsze mas
falta fim caminho grande pelo nenhuma hora maior ponto máximo podem ligado novo mesmo menor nível têm apenas fazer
iniciar ainda também último posição qualquer sua nada até pois foram outro partir acest toate doar multe nici când
deja mare între timp despre unui citi unei cel nou dată înainte prin aceasta către mult exact nouă ului atunci cât
lui două noi fiecare voastră unul nevoie ceva până aceste dintre cele peste ori aibă apoi nimic sunteţi acum noua
unde unele acesta asupra foarte asemenea lor alte primul deoarece aţi это должно времени слишком так ли время
после могут вне будет имеет иметь больше чтобы если что получить один был когда найти была этой ещё эта вы его
несколько путь также этого чем вам более этот конец перед ни есть меньше их были одного же она раз всего других
будут через другой где всех которой было него которого вместе другие všetky táto medzi ktoré pred viac tohto môže
túto ktorá ktorú mať bola bolo práve keď podľa ktorej tejto musia môžete budú boli iné nič máte cez kde mala
ktorých pretože ním môžu tieto niečo všetko toho týmto áno ešte mali svoj vaše možno potom každým musíte ďalších
niektoré iný tiež každú sebou vášho ďalší nejaké pokiaľ vse tudi stran sicer jih bodo prazen vedno dovolj celo
tega vsake vendar ponovno prvi okoli največ eno kar vsak zadnji prazna vsi ena vsa vsaki enkrat morajo prazno prva
drugi slab dolgi bil drugo kdaj kjer druga nazaj nekaj srednja dva nje prvo zdaj datum polno vsaka morate prav
dolga kratka kratki nedavno bile eden manj vsaj zunaj nikoli najmanj kje aad kuu soo uga ugu waa ayaa ayee ayuu
dhan inuu isku kale waxa atabo jiray kasoo lakin waxuu hadana jirtay markii albaabkii hae moo tsa tse bane bona
eaba empa hape hore tloha från när utan detta över samma bort varje första andra går noll finns mellan kommer
komma redan här icke före många stort hur inget upp två inom dess höger vänster inga kunde nummer flera inuti
större gör sista vilken mindre annan långt någon göra där allt vill innan fick genom olika alltid några bara
enligt båda vars även watu cha huo juu kwa pia wao yao basi hadi hapo hiyo huku kama kila kima mara mimi moja muda
naye nini sana sasa tena vile wake wote yeye yule zake baada chini hivyo kisha kubwa mdogo mmoja ndani sauti yangu
zaidi karibu katika kutoka kwamba kwenda kwenye lakini mkubwa mwenye pamoja wakati akasema alikuwa alisema ilikuwa
wengine nonkungu walikuwa tafadhali mula maaaring bilang lamang isang kulang kaya habang dito muli dahil kailangan
bago doon kong kung nais nito kapag maaari makita nakita mayroon ginagawa isa iyo akin alin apat atin ibig ikaw
ilan iyon kami lima nila niya noon saan sabi sila sino siya tayo aking aming ating bakit bawat gusto huwag ibaba
itaas iyong kahit kanya kapwa kaysa laban lahat likod namin paano tatlo tulad bababa dalawa ginawa gumawa ibabaw
ilagay ilalim inyong yeniden olmayan kaynak tarafından zaten gibi eğer yalnızca yerine tüm ancak daha önce yalnız
hiçbir olan birden oldu henüz hem hiç ama tam ilk olur doğru sonunda olduğu diğer kadar lütfen burada şey bütün
göre fakat yoksa birlikte ilgili sadece onu şeyi çünkü önceden olmadığı bazı biri bunu böyle üzere böylece
herhangi pek kere bunun hangi kendi tamam dolayı olması ediliyor sonradan esnasında ait kez olup onun nasıl olmak
hiçbiri yüzünden öncelikle було від про який це коли навколо такий але він замість якої поза також завжди був вас
всіх тощо була вона навіть ми весь вниз інших всередині були отже тобто де нам вони дещо чого більш ти тож адже
воно отож хоча авжеж внизу давай ледве майже вздовж давати غے اور گروپ چھوٹے آج اة اش اى تت تن تو تک ثب ثي خب خت
خص خو دش دو دی دے ضت ضے غذ فی لو لی لے پر پل کب کت کل کن کہ کی کے گب گی گے ہر ہن ہو ہی ہے یہ آئی آئے آخر آٹھ آیب
ارد الگ اہن ایک تھب تھی تھے تیي ثرش ثعذ ثڑا ثڑی ثڑے ثھر ثھی ثہت ثیچ ختن خگہ دور دیب دیر رکي رکھ رہب رہی رہے زبل
زصہ زصے زکن صبف ضبت ضبل chỉ việc làm này lại vào cần cây đang chưa phải tại theo nào trên bản đến chú như bằng
nhận hoặc những bởi mới khác trước đi lên nếu cái nhưng thế thấy đây quá nhiều còn hơn chính cùng muốn đó sao cũng
nhau quyết nhất ngoài nên vẫn thường biết rồi ngay nữa giữa người tôi điều mỗi năm thì nền từng quả lớn tới ngày
rằng sạch vậy àwọn àti fún inú máa náà wọn yìí òun ńlá láti padà sínú nígbà nǹkan gbogbo nítorí futhi mina wami
wase kahle kanye khona kodwa kusho lakhe lapho ukuze wakhe wathi yakhe zakhe zonke phansi ukuthi kakhulu kungani
phezulu wahamba ngesikhathi
""".split()
"""Words that make up a third of a text in one of the languages, mostly of three letters or more."""

SHORT = """
a ab ad ae af ag ah ai aj ak al am an ao ar as at au av ay az ba be bi bn bo bu bv bw by ca ce ci co cu cz da de
di do dr du e ea ec ed eg eh ei ej el em en er es et eu ex ey ez fa fi ga ge gi go gu ha he hi ho hu i ia id ie if
ii ik il im in io ir is it iv ix iz ja je ji jo ju ka ke ki ko kr ku ky la ld le li lo lx ma me mi mo mr mu mw my
na ne ng ni no np nr nu ny o oa ob od of og oh oi ok om on op or os ot ou pa pe pl po pu ra re ri s sa se si so su
sy ta te th ti to tu ty u ua ul um un ur us ut uz va ve vi vo vu vy w wa we y ya ye yn yr z za ze zi zo zu
""".split()
"""Frequent words of one or two Latin letters, without accents."""

LETTERS = "".join(
    """
ابتدرسشلمنهوىيکیەաեիլկմյնոսվտրւকটতনপবমযরলসািুে্ৰ一七万三上下不与且世业东両两並个中串
为主么义之乗九也书了予争事二于五井亚些亞交产京人什今从仕他付代令以们件任企伊会伝传伺但位低住佐体何作
你使來例供価便係保信個候値值做停側備傳働像優儲儿允元先光克党入內全八公六共关其内円再写军决准几処出函
分切列则创初删判別利刪别到制則削前副割力加务动助労効動務勝勢包化北匹区医區十千午半協单南卡印即却原去
参參又及反収发取受变口古句只可台右号司各合吉同名后向否含听启告员味呼命和品員哥商問啟單営器四回因団囲
围国图國圖土在地场址块型埃域執基報場塞境増声売处备変复外多夜大天太夫失头夾女她好如始委姿子字存学它宅
守安完官定实実宮害家容密察實審寫对导対封将將對導小少尔尚就尼局展属屬山岡島川州工左差己已巴市布师带席
常平年并幹広序库应店府度庫建开式引张張強强当录形影役待很後徑得從復德心必志応快念忽态思急性总息情想意
感態憑憶應成我或战戦户所手才打执找技把投报担拉拡持指按挙换据排接控提換援撃擇操支改放政效敗教数整數文
料断斯新方於施族无日早时明映昨是显時景更書最會月有服望朝期木未末本术机权村束条来東松析果查査标校株样
核格案検業極楽構様標模権横機檔欄權次欧止正此武歳死残段毎每比氏民气気水求決沒没沢治況法注活派流海消深
清済渉減渡港源準演点為無然照爾片版物特状狀独率王现現球理環瓦生産用田由申电男町画界略番當疑病発發白百
的監盧目直相省看県真眼着知石码研确確碼示社神票福私种科称移程税種稱究空窗立章端笔符第等答策算管範簽籤
米类系約納素索終組経結給統經続維総線編縮约级纳组经结给统编置羅美羣群義老考者而聞聯職育能脳自至致與色
节若英范落葉蔵薩藤蘭處號融衆行術衛表被裁補裝製複西要見規視親観见观规视觉解言計訊記訪設訴証評試話該認
語誤説読課調談請論諸證識警議護讀變计认让记许论设证识话询该语误说请读调象負財費資賞質败资走起超足路身
車軍転載輸轉转输農边辺込达过运近返还这进连述追退送选這通造連進運過道達違適選邊那部都配里重野量金銀錄
錯鍵鑰错键長长門閉開間関閣闊關门问间队防阿限院除隔際难集難電需非面革韓音頁項順須預領頭題額顏類顯页项
须领题食首馬験马體高鮮默點авдеиклмнорстуकगतनपमयरलवसहािीुेो्აბდეილმნორსαεηικμνοπρςσ
τυંકતનપમયરલવસાિીુેો્ਂਕਗਟਨਪਬਮਰਲਵਸਹਾਿੀੂੇੋੱ가각간값개거것게경고공과관구국그기나내널는니다
단대데도동드들디때또라레렉력령로록류를름리마만메면명모목못문미바반발버번변보본부비사상생서설성세션소
수스습시식신실아안않어업없에여연열오옵와요용우원위으은을음의이인일읽입있자작잘장재적전절정제조주중지
최추출치크키타태터트파패표프필하학한할함합해했행현형호화환회אבהוטילמןנעפקרתいがしすせたてでにの
はまるをんಂಕಗದನಮಯರಲವಸಾಿುೆ್アイクサシジスセタッテデトドバパフブプョラリルレロンーកងចដតទនបពមរ
លសាិុូើំ់្കതനപമയരറലവസാിു്ကငစတနပမရအာိုေ့း်ှକଗଟତନପବମରଲସହାିୁେୋ୍කතදනපමයරලවසහ්ාි
ුகடதனபமயரலாிு்ంకతదనపమయరలవసాిు్กงดตนบมยรลวสอัาิีเแไ่้์གདནབམའརལསིེོུྱ
""".split()
)
"""The letters of each script other than Latin that make up three quarters of its texts."""

SYMBOLS = "abcdefghijklmnopqrstuvwxyz0 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""Characters in the order of `PAIRS`: 0 stands for all digits, the space for white space; then all others."""

PAIRS = """
gebckidjdkf9b8lem8a7fgjjfif8sozzxwpomrvkjjqmrxoovurrqymuyxtzt
8gfh7gii9ek8ik8ilbch9onmcqbdtlvpuumlkpsijglmrspqurqgovkrstrvp
8kej8lm8bpbbmm6kocg8conmhncdvnxxtvmlltnkhhlkpuovwsroqyjrrutyp
8iid5jjl8nmhkjbknfehdlmnine6sgtwtujgjrrggfmfnsinrtqloxeorsqtl
dicbfegmgnhbd8kgi89blfhdikh6thzzwsmhhtughfmhmsknstnlozgmotpzt
aeiibblp7qpbnk7lo9hebsoqhub7uhvwtunfjttgkeomnrjtttoppwirttswq
ahfj6lfb9kmehdchoacebmkqhqj7tftvtrmhisshgfghnslhsqqkowfnrrqwn
7lml4noo8plijj9lpejadnmsjte8tkuwvrmhkusjggnhntmispsoqwfpttrwo
cebbcccnljfbc69fld99kemilfobxszzzwppnqrmklnotvpmvvutozovywuzu
6hjh4lmnaljgjgagllag9kkojmhbpnqpqqnkhonikjmmpqnpqoppiqkqpqpql
7lii6mfg9jeejg9inebdbkfqhqk8sjuutslhjpphghmijsmpqppmmufoqsmuo
8kkd6ejn7kl9ji9ipmccbjnrdrh9sjqyvqlikstjghmjnomnqsoopxgotsryl
6blh6omh9qofdj98rnemdpprite9pjwwwunjlttjhihkmunktrqoqxgrsupxl
anb99g9kbkiikgbfpma8ehprgon7sfoxwtkhjstihglipslqsqqhpzgosuqzi
egdbjcfmgjfba6ecp7ccaeejnkr9vpzzyvqpoywmklpnrwpuwtusszkvvwuzn
8oih7mlfbpl9jj8cr8cabppkcskbumwutvnjluujjdlhqsnouuqnrxhquutxq
ahfgdggkbiidggfkcbfh3kgkildcompppokfhlnggdmmookooomnmpfnponpj
8kee6kdm8pgied9kpdcbdilqfnm8uiyyxrkgjqrhigniopjnsspmmzhpsuqzo
cndm7lmdapfhjkbdklb7dhjnfnk6ufuyssihhqsghcheoripqrmlozhousrzj
9nhj7lp88soijk9fubddcojmdog8uhyyysmhirtgggnfmrlnrunkoyeorsozq
dcdcagfldlg9a8ibp898mjolljiavowxwvopouslmlrnsvotvtutsxnvwvvwr
5lko4pcp7mojliblrhelipqphobduouuutonmtrlfhmnrqnmtnqrptipststm
7fkj7mka6omijc9lpbdjlrcqfqf9slsstsmjlpqjhdmjprnnqqqnptgorrqso
bcchagnmcrpidii8nif8jpmfjp79qikrmrjgbfndfekfipeprqmmkoemqqksl
aiggcihnfmiecdc9qebcimhqmml5sesusqiffllefdlenphnoopiludmnqoum
7hkg5nif8hhfabbinijgehioegj9qeqqqplkglnfjinlpqmoqoonlqkoqpoql
ghfhhhqirttjjtsopolqtiufwl37shvuoropfknba8jikskltuvkixlqspnxr
adbcdcffbjgedcccmdbafffkik9zncimhmhfoikwfgklyifluoihnxkjhkhvg
gji9gjkj8llijhijlfhfkkjllk7afhkkjkgfdllk9kklll6lkljjllkkllkli
cgddfgheemmfdegdjedbhhinnre8qcjkjroneoq7mkh7kqnfttocisnmonfuh
jjggcekk9opllnnfokjkknnjnn94nm5olnmooooplnflpoppoonononooooom
ghggffihgiighggejadejjjejk68khkfjkhgikkhkhgkl9jkkjkhkkgi9kkki
ljgaljoljppdinniom2kfookjkccnllohnnmknpmihpohpoppoonopopnphpm
fkiifjikillhkghkjgidkhkllld5ghhll5kaimmgkamlkmijmmmhlmmkkmmlj
dfefegfgejlffdfeleachjhikkg8ojkoanijagn6igjdllnjppkfeolkmnmoi
cfceaehfdliffcfekdbaigicjj8ejdnlgpcf9jrtdinooptskrehusjfirtrm
qorrppttotsssqrrtjplspttttq4nitosjkf9gm7mbi99ngmktmdgqtickdto
fhgihikkgnhjjiignhdhmlldgj84ngpmopgdh6ohlecglommnplioplmnnppm
ikjhhhjegkmjjhjkliihlkkikl64mhmjlmggcm9ihjflimbmkmmihnlinllmj
hmilhknljppllgjmpihelmmooo81ngurtwmllvvlliuuvtvwtwjmvvpnivvus
eccffehhenjefggemeceifhjom5aoqvtqwtqssts78svtvsgvwteowuvvuvwp
fgcghdhffimgghfenedejlhmom37whxsrxrunnvopenvwqxuwxugnxftuwtxp
cfbcfecgfkkceffcmd9dghchmm99rkoqmrmilernnj7pqppdqspmqmjnnrsqn
iggljhnmiqolkgjjqifdlhpqprb2lefsmurkrnurllcatqruuujgnujijturr
jcdhfemkdnoghihhodhemeiooml2njpopomnhono9onplmpppppjoponppnpm
9dbdgijgghjdgghaoi9cihkmom8ddopnhpllopoonn7op8floopnopoopnpol
hlijegmljomigdikohgdkjmnnna4j9slpshgssrqlpooti5gsthfrtlgjptqp
kmjkkmnnjppllllkpljilmmkpn94pipoojkhlnqikhlim7f5qqnjnqokgnqql
fjhhdhijfjjiidggjehdifijjje6h7jikjgbekjfhej9kigjfjgehjjfigkkg
dfc9gb8hfihfdefakbbbfhijjj9hkikkkkkkklllkkkkljjklbkjkkgkjkkkc
dgefegjjbhhggeffjecdjhkhjl68ncimloceoollcimhpmjpokdbbikgjopol
ojmmi6plnsqjm4plsjidcomitqnes9soogngolqp6lprssssrslgnspplmlsp
oomnmopolnoooomnponoooppppo4ngpoplib9hh6mdmedldkipedcnnikhfpj
ggfgghhhghhhffgghggfghhfghbchfggggfchghgfhghhgehhhech8gg9ghhe
bdabbbefalfcbccakc89fdglmjeitnttrtqhlrrmsltqnspssrpqpucrltrun
fdefhehiekkgffhemgcdgjkjmng6oilkghikamjahdkeimoojnlghoj6mjjjk
gfaggekkdlkefghfndedmckjnle3pbomjphloopphjpppppppnnfppmphobpm
gjhiehjfglkjifhhlhgfihjkklb3idmkljhelmmmhlllmkekmmgdmljkk8lle
mmjmhelmippnononphjkohkoppn4peolopij9oo6n9ljdniopkkdikiihnbpl
hhhhhiiiijjigiiihhigijjiijbdhihjijgiiiijjeggjiiiiijijijhjjj3g
lonlkonmlpljmimmnjijmpppmnk7qgqqdrkqmrqkihpjpqqqqqqcorpprmqr1
""".split()
"""Row, column -> information of a character after another, in 0.4 bits, as a digit of base 36."""
